/* A function with a stack of its own that can stop in the middle and go on later, on any thread. */
#ifndef WX_ENGINE_FIBER_H
#define WX_ENGINE_FIBER_H

#include <stdbool.h>

typedef struct wx_fiber wx_fiber;
typedef void wx_fiber_main(void *user);

/* NULL when there is no memory. It stands at the beginning of `main`. */
wx_fiber *wx_fiber_new(wx_fiber_main *main, void *user);
/* Of one that has ended: it stands at the beginning of another `main`, on the same stack. */
void wx_fiber_again(wx_fiber *fiber, wx_fiber_main *main, void *user);
/* Of one that has ended, or never began. NULL does nothing. */
void wx_fiber_free(wx_fiber *fiber);

/* Runs it on the calling thread until it suspends itself or ends. */
void wx_fiber_resume(wx_fiber *fiber);
/* Called by the fiber itself: back to whoever resumed it. No lock may be held. */
void wx_fiber_suspend(wx_fiber *fiber);
bool wx_fiber_ended(const wx_fiber *fiber);

#endif
