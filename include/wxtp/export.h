/* Marks what libwxtp exports. */
#ifndef WXTP_EXPORT_H
#define WXTP_EXPORT_H

#if defined(__GNUC__)
#define WXTP_API __attribute__((visibility("default")))
#define WXTP_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define WXTP_API
#define WXTP_PRINTF(f, a)
#endif

#ifdef __cplusplus
#define WXTP_BEGIN_DECLS extern "C" {
#define WXTP_END_DECLS }
#else
#define WXTP_BEGIN_DECLS
#define WXTP_END_DECLS
#endif

#endif
