/* Flows that make files beside the store: copies of it, and another master key. */
#ifndef WXTP_FAULT_UPKEEP_H
#define WXTP_FAULT_UPKEEP_H

#include "scene.h"

wxtp_status upkeep_backup(scene *s, wxtp_error **error);
/* The copy can be restored, and what is restored is in order. */
void upkeep_copy_is_whole(scene *s);
void upkeep_no_copy(scene *s);

/* Makes a database of the copy; the platform is closed. */
wxtp_status upkeep_restore(scene *s, wxtp_error **error);
/* The scene goes on with the database that was made of the copy. */
void upkeep_move_to_restored(scene *s);
void upkeep_none_restored(scene *s);

wxtp_status upkeep_rekey(scene *s, wxtp_error **error);
/* Of both keys exactly one opens the store, and all that is sealed in it: `s->key` from now on. */
void upkeep_one_key_opens(scene *s);
/* It is the new one. */
void upkeep_other_key_opens(scene *s);

#endif
