#include "server.h"
#include "api.h"
#include "control.h"
#include "http.h"
#include "memory.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MOST = 4000,
    IDLE_SECONDS = 300,
    THREAD_STACK = 512 * 1024,
    CALL_BODY_MOST = 1 << 20,
    CONTROL_BODY_MOST = 64 << 20,
};

struct server {
    struct simulator *simulator;
    struct MHD_Daemon *daemon;
};

/* An answer that is sent bit by bit. */
struct stream {
    struct simulator *simulator;
    char *body;
    size_t size, whole;
    int64_t drip_ms;
    bool endless, cut_short;
};

static bool is_control(const char *path)
{
    return strncmp(path, "/sim/", 5) == 0;
}

static void take_body(struct request *request, const char *data, size_t size)
{
    size_t most = is_control(request->path) ? CONTROL_BODY_MOST : CALL_BODY_MOST;
    if (request->too_large || size > most - request->size) {
        request->too_large = true;
        return;
    }
    if (request->size + size + 1 > request->room) {
        request->room = 2 * (request->size + size) + 64;
        request->body = sim_realloc(request->body, request->room);
    }
    memcpy(request->body + request->size, data, size);
    request->size += size;
    request->body[request->size] = '\0';
}

static enum MHD_Result take_argument(void *closure, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    struct request *request = closure;
    (void)kind;
    if (request->argument_count == ARGUMENTS_MOST)
        return MHD_NO;
    request->arguments[request->argument_count++] =
        (struct argument){.name = sim_copy(name), .value = sim_copy(value ? value : "")};
    return MHD_YES;
}

static struct request *request_new(struct MHD_Connection *connection, const char *path, const char *method)
{
    struct request *request = sim_alloc(sizeof *request);
    request->method = sim_copy(method);
    request->path = sim_copy(path);
    request->body = sim_copy("");
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, request);
    return request;
}

static ssize_t stream_read(void *closure, uint64_t position, char *buffer, size_t room)
{
    const struct stream *stream = closure;
    if (stream->drip_ms && !simulator_sleep(stream->simulator, stream->drip_ms))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (position < stream->size) {
        size_t left = stream->size - (size_t)position;
        size_t part = stream->drip_ms ? 1 : left < room ? left : room;
        memcpy(buffer, stream->body + position, part);
        return (ssize_t)part;
    }
    if (stream->cut_short)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (!stream->endless)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!simulator_sleep(stream->simulator, 0))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    memset(buffer, ' ', room);
    return (ssize_t)room;
}

static void stream_free(void *closure)
{
    struct stream *stream = closure;
    free(stream->body);
    free(stream);
}

static struct MHD_Response *streamed(struct simulator *simulator, struct answer *answer)
{
    struct stream *stream = sim_alloc(sizeof *stream);
    stream->simulator = simulator;
    stream->body = answer->body;
    stream->whole = answer->size;
    stream->size = answer->size;
    if (answer->truncate_at >= 0 && (uint64_t)answer->truncate_at < stream->size) {
        stream->size = (size_t)answer->truncate_at;
        stream->cut_short = true;
    }
    stream->drip_ms = answer->drip_ms;
    stream->endless = answer->endless;
    answer->body = NULL;
    return MHD_create_response_from_callback(answer->endless ? MHD_SIZE_UNKNOWN : stream->whole, 4096,
                                             stream_read, stream, stream_free);
}

static enum MHD_Result send_answer(struct simulator *simulator, struct MHD_Connection *connection,
                                   struct answer *answer)
{
    if (answer->cut)
        return MHD_NO;
    struct MHD_Response *response = NULL;
    if (answer->truncate_at >= 0 || answer->drip_ms || answer->endless) {
        response = streamed(simulator, answer);
    } else {
        response = MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE);
        answer->body = response ? NULL : answer->body;
    }
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", answer->content_type);
    if (answer->close)
        MHD_add_response_header(response, "Connection", "close");
    if (answer->cloud_seqid) {
        char *seqid = sim_format("%llu", (unsigned long long)answer->cloud_seqid);
        MHD_add_response_header(response, "x-openapi-seqid", seqid);
        free(seqid);
    }
    enum MHD_Result sent = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return sent;
}

static enum MHD_Result handle(void *closure, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data, size_t *size,
                              void **kept)
{
    const struct server *server = closure;
    struct request *request = *kept;
    (void)version;
    if (!request) {
        *kept = request_new(connection, path, method);
        return MHD_YES;
    }
    if (*size) {
        take_body(request, data, *size);
        *size = 0;
        return MHD_YES;
    }
    struct answer answer = {.status = 200, .truncate_at = -1};
    memcpy(answer.content_type, "application/json", 17);
    if (request->too_large) {
        answer.status = 413;
        answer.body = sim_copy("{}");
        answer.size = 2;
    } else if (is_control(request->path)) {
        control_answer(server->simulator, request, &answer);
    } else {
        wechat_answer(server->simulator, request, &answer);
    }
    enum MHD_Result sent = send_answer(server->simulator, connection, &answer);
    free(answer.body);
    return sent;
}

static void completed(void *closure, struct MHD_Connection *connection, void **kept,
                      enum MHD_RequestTerminationCode how)
{
    (void)closure;
    (void)connection;
    (void)how;
    if (*kept)
        request_free(*kept);
    *kept = NULL;
}

struct server *server_start(struct simulator *simulator, struct in_addr address, uint16_t port)
{
    struct sockaddr_in bound = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
    struct server *server = sim_alloc(sizeof *server);
    server->simulator = simulator;
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, port, NULL, NULL,
        handle, server, MHD_OPTION_SOCK_ADDR, &bound, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_END);
    if (!server->daemon) {
        free(server);
        return NULL;
    }
    return server;
}

uint16_t server_port(const struct server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void server_stop(struct server *server)
{
    MHD_stop_daemon(server->daemon);
    free(server);
}
