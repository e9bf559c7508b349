/* A verdict for people. Text only here; JSON is verdict_json's. */
#pragma once
#include "ceremony/verify/verify.h"

typedef enum { REPORT_COLOUR = 1, REPORT_ASCII = 2, REPORT_BRIEF = 4 } ReportStyle;   /* BRIEF: passes are counted, not listed */

/* The verdict as text for @width columns (at least 40): headline, who and what, what speaks against it, the checks by family with the failing first, what
 * software can't prove, and what the exit status means. g_free. */
char *report_text (const Verdict *verdict, guint width, ReportStyle style);
/* The table of checks: id, meaning, clause. g_free. */
char *report_checks (guint width);
