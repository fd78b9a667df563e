#include "http.h"

#include <stdlib.h>
#include <string.h>

const char *request_argument(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->argument_count; i++)
        if (strcmp(request->arguments[i].name, name) == 0)
            return request->arguments[i].value;
    return NULL;
}

void request_free(struct request *request)
{
    for (size_t i = 0; i < request->argument_count; i++) {
        free(request->arguments[i].name);
        free(request->arguments[i].value);
    }
    free(request->method);
    free(request->path);
    free(request->body);
    free(request);
}
