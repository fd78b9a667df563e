/* The flat XML of pushes, by expat: children of the root element and their text. DTDs are refused. */
#ifndef WX_CODEC_XML_H
#define WX_CODEC_XML_H

#include "base/buf.h"

typedef struct wx_xml_field {
    char *name, *value; /* value: text of the element and, where nested, of what is inside it */
} wx_xml_field;

typedef struct wx_xml {
    const wxtp_allocator *allocator;
    wx_xml_field *fields;
    size_t count;
} wx_xml;

typedef enum wx_xml_result {
    WX_XML_OK = 0,
    WX_XML_MALFORMED,
    WX_XML_DTD,
    WX_XML_TOO_LARGE,
    WX_XML_NOMEM
} wx_xml_result;

/* Reads several texts, one after another, with one parser's memory. `salt` cannot be guessed by who sends a
 * text, so that no names are found that collide in expat's tables; 0: expat asks the system for one. */
typedef struct wx_xml_reader {
    unsigned long salt;
    struct XML_ParserStruct *parser; /* NULL at first */
} wx_xml_reader;

void wx_xml_reader_free(wx_xml_reader *reader);
#define WX_AUTO_XML_READER __attribute__((cleanup(wx_xml_reader_free))) wx_xml_reader

/* At most 64 KiB of text, 128 fields, depth 8. */
wx_xml_result wx_xml_parse(wx_xml_reader *reader, const wxtp_allocator *allocator, const char *text,
                           size_t len, wx_xml *xml);
const char *wx_xml_get(const wx_xml *xml,
                       const char *name); /* NULL where there is none; the first of several */
void wx_xml_free(wx_xml *xml);
#define WX_AUTO_XML __attribute__((cleanup(wx_xml_free))) wx_xml

#endif
