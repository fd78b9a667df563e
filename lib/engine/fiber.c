#include "engine/fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Without it valgrind takes each switch for a stack that grew or shrank by a leap. */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0U
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

/* swapcontext() asks the kernel for the signal mask twice a switch; the compiler's own jump does not. */
#if defined(__x86_64__) && !defined(WITH_TSAN)
#define WITH_JUMP 1
#endif

/* Pages that are never touched cost nothing. */
enum { STACK_BYTES = 512 * 1024 };

typedef struct side {
    ucontext_t context;
#ifdef WITH_JUMP
    void *jump[5];
#endif
#ifdef WITH_ASAN
    void *fake_stack;
    const void *stack;
    size_t stack_size;
#endif
#ifdef WITH_TSAN
    void *tsan;
#endif
} side;

struct wx_fiber {
    side inner, outer;
    wx_fiber_main *main;
    void *user;
    void *memory; /* the stack, with a page below it that must not be touched */
    size_t size;
    unsigned stack_id; /* at valgrind */
    bool begun, ended;
};

#ifdef WITH_JUMP
static __attribute__((noinline, noreturn)) void leap(void **jump)
{
    __builtin_longjmp(jump, 1);
}

static __attribute__((noinline)) void cross(side *from, side *to, bool first)
{
    if (__builtin_setjmp(from->jump) == 0) {
        if (first) {
            (void)setcontext(&to->context);
        }
        leap(to->jump);
    }
}
#else
static void cross(side *from, side *to, bool first)
{
    (void)first;
    (void)swapcontext(&from->context, &to->context);
}
#endif

/* Tells the sanitizers whose stack is in use. `dying`: `from` is not come back to. */
static void cross_announced(side *from, side *to, bool first, bool dying)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack, to->stack, to->stack_size);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)dying;
    cross(from, to, first);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

static void enter(unsigned high, unsigned low)
{
    wx_fiber *fiber = (wx_fiber *)(((uintptr_t)high << 32) | (uintptr_t)low); /* NOLINT */
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &fiber->outer.stack, &fiber->outer.stack_size);
#endif
    fiber->main(fiber->user);
    fiber->ended = true;
    cross_announced(&fiber->inner, &fiber->outer, false, true);
    __builtin_unreachable();
}

wx_fiber *wx_fiber_new(wx_fiber_main *main, void *user)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    wx_fiber *fiber = calloc(1, sizeof(*fiber));
    if (!fiber) {
        return NULL;
    }
    fiber->size = STACK_BYTES + page;
    fiber->memory = mmap(NULL, fiber->size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (fiber->memory == MAP_FAILED || mprotect(fiber->memory, page, PROT_NONE) != 0) {
        if (fiber->memory != MAP_FAILED) {
            (void)munmap(fiber->memory, fiber->size);
        }
        free(fiber);
        return NULL;
    }
    fiber->ended = true;
    fiber->stack_id =
        VALGRIND_STACK_REGISTER((char *)fiber->memory + page, (char *)fiber->memory + fiber->size - 1);
    wx_fiber_again(fiber, main, user);
    return fiber;
}

void wx_fiber_again(wx_fiber *fiber, wx_fiber_main *main, void *user)
{
    const size_t page = fiber->size - STACK_BYTES;
    char *stack = (char *)fiber->memory + page;
    fiber->main = main;
    fiber->user = user;
    fiber->begun = fiber->ended = false;
    (void)getcontext(&fiber->inner.context);
    fiber->inner.context.uc_stack.ss_sp = stack;
    fiber->inner.context.uc_stack.ss_size = STACK_BYTES;
    fiber->inner.context.uc_link = NULL;
#ifdef WITH_ASAN
    fiber->inner.fake_stack = NULL;
    fiber->inner.stack = stack;
    fiber->inner.stack_size = STACK_BYTES;
#endif
#ifdef WITH_TSAN
    if (!fiber->inner.tsan) {
        fiber->inner.tsan = __tsan_create_fiber(0);
    }
#endif
    const uintptr_t self = (uintptr_t)fiber;
    makecontext(&fiber->inner.context, (void (*)(void))enter, 2, (unsigned)(self >> 32),
                (unsigned)(self & 0xffffffffU));
}

void wx_fiber_free(wx_fiber *fiber)
{
    if (fiber) {
#ifdef WITH_TSAN
        __tsan_destroy_fiber(fiber->inner.tsan);
#endif
        VALGRIND_STACK_DEREGISTER(fiber->stack_id);
        (void)munmap(fiber->memory, fiber->size);
        free(fiber);
    }
}

void wx_fiber_resume(wx_fiber *fiber)
{
    const bool first = !fiber->begun;
    fiber->begun = true;
#ifdef WITH_TSAN
    fiber->outer.tsan = __tsan_get_current_fiber();
#endif
    cross_announced(&fiber->outer, &fiber->inner, first, false);
}

void wx_fiber_suspend(wx_fiber *fiber)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&fiber->inner.fake_stack, fiber->outer.stack, fiber->outer.stack_size);
    cross(&fiber->inner, &fiber->outer, false);
    __sanitizer_finish_switch_fiber(fiber->inner.fake_stack, &fiber->outer.stack, &fiber->outer.stack_size);
#else
    cross_announced(&fiber->inner, &fiber->outer, false, false);
#endif
}

bool wx_fiber_ended(const wx_fiber *fiber)
{
    return fiber->ended;
}
