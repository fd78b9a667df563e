/* What a host does with the library, a piece at a time: each is run with a fault in it, and then without. */
#ifndef WXTP_FAULT_FLOWS_H
#define WXTP_FAULT_FLOWS_H

#include "scene.h"

typedef struct flow {
    const char *name;
    /* Brings an open platform to where the flow begins; NULL: as set up, with a ticket. */
    void (*prepare)(scene *s);
    wxtp_status (*run)(scene *s, wxtp_error **error);
    /* Looks at what has come of it when it has passed; NULL: at nothing more than after every flow. */
    void (*check)(scene *s);
    /* Looks at what a try that failed has left, before the next; NULL: at nothing. */
    void (*left)(scene *s);
    enum {
        FLOW_IN_OPEN = 0,
        FLOW_ON_NOTHING,
        FLOW_ON_CLOSED,
        FLOW_OVER_HTTP,
        FLOW_CLOSED_OVER_HTTP,
        FLOW_WORKERS_OVER_HTTP
    } on;
} flow;

#define MUST(s, call)                                                                                        \
    do {                                                                                                     \
        wxtp_error *trouble = NULL;                                                                          \
        const wxtp_status come = (call);                                                                     \
        if (come != WXTP_OK) {                                                                               \
            scene_fail(s, "%s: %s: %s", #call, wxtp_status_name(come), wxtp_error_message(trouble));         \
        }                                                                                                    \
        wxtp_error_free(trouble);                                                                            \
    } while (0)

extern const flow flows[];
extern const size_t flow_count;

/* A scene that the flow begins in, kept. */
void flow_prepare(const flow *f, scene *s, scene_kept *kept);
/* Opens the store that the flow was at work on when the power was cut. */
wxtp_status flow_open_after_cut(scene *s, const flow *f, const scene_outside *outside, wxtp_error **error);
/* After the flow has passed, or a power cut has ended it: everything is in order, and three hours later a
 * token can be had. Resumes and ends every job. */
void flow_settle(scene *s);
/* Likewise, first of all that nothing is missing that the world outside knows of. */
void flow_settle_after_cut(scene *s, const flow *f, const scene_outside *outside);

#endif
