/* Standard error put aside while code of others (PKCS#11 modules) runs in this process: measured, 14 lines of one that finds no TPM. */
#pragma once

/* Standard error goes to the end of the file @path (mode 0600), or to /dev/null where NULL or where it can't be opened. Gives what quiet_end takes; -1 where nothing was changed. */
int  quiet_begin (const char *path);
void quiet_end (int saved);
