/*
 * Named points of what must survive any end of the process. They are nothing at all, but in the build of
 * tests/points, where a test has the process killed or stopped at one.
 */
#ifndef WX_BASE_POINT_H
#define WX_BASE_POINT_H

#ifdef WXTP_POINTS
void wxtp_point(const char *name);
#define WX_POINT(name) wxtp_point(name)
#else
#define WX_POINT(name) ((void)0)
#endif

#endif
