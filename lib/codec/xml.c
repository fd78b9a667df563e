#include "codec/xml.h"

#include <assert.h>
#include <expat.h>
#include <string.h>

#include "base/mem.h"

enum { INPUT_MAX = 1 << 20, TEXT_MAX = 64 << 10, FIELDS_MAX = 128, DEPTH_MAX = 8, FIELDS_FIRST = 16 };

typedef struct reading {
    XML_Parser parser;
    wx_xml *xml;
    size_t room;  /* fields */
    size_t total; /* bytes of names and text kept */
    int depth;
    wx_xml_field open; /* the child of the root that is being read */
    wx_buf text;
    wx_xml_result result;
} reading;

static void stop(reading *self, wx_xml_result result)
{
    if (self->result == WX_XML_OK) {
        self->result = result;
        (void)XML_StopParser(self->parser, XML_FALSE);
    }
}

static bool count_bytes(reading *self, size_t len)
{
    if (len > TEXT_MAX - self->total) {
        stop(self, WX_XML_TOO_LARGE);
        return false;
    }
    self->total += len;
    return true;
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    reading *self = user;
    (void)attributes;
    if (self->result != WX_XML_OK) {
        return;
    }
    if (++self->depth > DEPTH_MAX) {
        stop(self, WX_XML_TOO_LARGE);
        return;
    }
    if (self->depth != 2 || !count_bytes(self, strlen(name))) {
        return;
    }
    if (self->xml->count == FIELDS_MAX) {
        stop(self, WX_XML_TOO_LARGE);
        return;
    }
    wx_buf_clear(&self->text);
    self->open.name = wx_strdup(self->xml->allocator, name);
    if (!self->open.name) {
        stop(self, WX_XML_NOMEM);
    }
}

static bool make_room(reading *self)
{
    if (self->xml->count < self->room) {
        return true;
    }
    size_t room = self->room ? self->room * 2 : FIELDS_FIRST;
    wx_xml_field *fields = wx_resize(self->xml->allocator, self->xml->fields, room * sizeof(*fields));
    if (!fields) {
        return false;
    }
    self->xml->fields = fields;
    self->room = room;
    return true;
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    reading *self = user;
    (void)name;
    if (self->result != WX_XML_OK) {
        return;
    }
    if (self->depth-- != 2) {
        return;
    }
    self->open.value = wx_strndup(self->xml->allocator, wx_buf_str(&self->text), self->text.len);
    if (!self->open.value || !make_room(self)) {
        stop(self, WX_XML_NOMEM);
        return;
    }
    self->xml->fields[self->xml->count++] = self->open;
    self->open = (wx_xml_field){0};
}

static void XMLCALL on_text(void *user, const XML_Char *text, int len)
{
    reading *self = user;
    if (self->result != WX_XML_OK || self->depth < 2 || !count_bytes(self, (size_t)len)) {
        return;
    }
    if (!wx_buf_add(&self->text, text, (size_t)len)) {
        stop(self, WX_XML_NOMEM);
    }
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
                               int internal_subset)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal_subset;
    stop(user, WX_XML_DTD);
}

static void XMLCALL on_entity(void *user, const XML_Char *name, int parameter_entity, const XML_Char *value,
                              int value_len, const XML_Char *base, const XML_Char *sysid,
                              const XML_Char *pubid, const XML_Char *notation)
{
    (void)name;
    (void)parameter_entity;
    (void)value;
    (void)value_len;
    (void)base;
    (void)sysid;
    (void)pubid;
    (void)notation;
    stop(user, WX_XML_DTD);
}

/* Expat's own buffers hold decrypted text too; these zero them when they are freed. */
static void *expat_allocate(size_t size)
{
    return wx_alloc_unset(NULL, size);
}

static void *expat_resize(void *memory, size_t size)
{
    return wx_resize(NULL, memory, size);
}

static bool ready_parser(wx_xml_reader *reader)
{
    static const XML_Memory_Handling_Suite memory = {expat_allocate, expat_resize, wx_free};
    if (reader->parser) {
        return XML_ParserReset(reader->parser, "UTF-8") == XML_TRUE;
    }
    reader->parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
    return reader->parser != NULL;
}

wx_xml_result wx_xml_parse(wx_xml_reader *reader, const wxtp_allocator *allocator, const char *text,
                           size_t len, wx_xml *xml)
{
    assert(reader && xml);
    *xml = (wx_xml){.allocator = allocator};
    if (len > INPUT_MAX) {
        return WX_XML_TOO_LARGE;
    }
    if (!ready_parser(reader)) {
        return WX_XML_NOMEM;
    }
    reading self = {.parser = reader->parser, .xml = xml, .result = WX_XML_OK};
    wx_buf_init(&self.text, allocator, TEXT_MAX);
    (void)XML_SetHashSalt(self.parser, reader->salt);
    XML_SetUserData(self.parser, &self);
    XML_SetElementHandler(self.parser, on_start, on_end);
    XML_SetCharacterDataHandler(self.parser, on_text);
    XML_SetStartDoctypeDeclHandler(self.parser, on_doctype);
    XML_SetEntityDeclHandler(self.parser, on_entity);
    if (XML_Parse(self.parser, text ? text : "", (int)len, XML_TRUE) != XML_STATUS_OK &&
        self.result == WX_XML_OK) {
        self.result = XML_GetErrorCode(self.parser) == XML_ERROR_NO_MEMORY ? WX_XML_NOMEM : WX_XML_MALFORMED;
    }
    wx_free(self.open.name);
    wx_free(self.open.value);
    wx_buf_free(&self.text);
    if (self.result != WX_XML_OK) {
        wx_xml_free(xml);
    }
    return self.result;
}

void wx_xml_reader_free(wx_xml_reader *reader)
{
    XML_ParserFree(WX_TAKE(reader->parser));
}

const char *wx_xml_get(const wx_xml *xml, const char *name)
{
    for (size_t at = 0; at < xml->count; at++) {
        if (strcmp(xml->fields[at].name, name) == 0) {
            return xml->fields[at].value;
        }
    }
    return NULL;
}

void wx_xml_free(wx_xml *xml)
{
    for (size_t at = 0; at < xml->count; at++) {
        wx_free(xml->fields[at].name);
        wx_free(xml->fields[at].value);
    }
    wx_free(xml->fields);
    xml->fields = NULL;
    xml->count = 0;
}
