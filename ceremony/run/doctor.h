/* What this machine has and lacks for a ceremony. */
#pragma once
#include <glib.h>

typedef enum { DOCTOR_GOOD, DOCTOR_LACKS, DOCTOR_WARNS } DoctorResult;   /* lacks: no ceremony without it; warns: one can be held */
typedef struct {
    const char  *name;          /* static: "clock", "camera", … */
    DoctorResult result;
    char        *found;         /* what is there */
    char        *how;           /* how to get what lacks; "" */
} DoctorFinding;

/* Every check of the table, in order. @home NULL: default. @module: a PKCS#11 module beside those registered with p11-kit, or NULL. Array of DoctorFinding. */
GPtrArray *doctor_examine (const char *home, const char *module);
