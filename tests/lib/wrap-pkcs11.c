/* A PKCS#11 module for tests: forwards every call to a real one ($WRAP_PKCS11_MODULE, else SoftHSM) and misbehaves as the file $WRAP_PKCS11_CONF says, which
 * is read again at each call. Counts begin anew whenever that file's text changes, or, where it has a line "count NAME", whenever the name does. The file
 * $WRAP_PKCS11_LOG, or that of a line "log PATH", gets the name of each function called, a line each.
 *
 *   fail C_Sign 3 0x30          the 3rd C_Sign answers 0x30 without being forwarded (0: every one)
 *   failall 57 0x30             the 57th call of all does
 *   failafter 57 0x30           the 57th call of all is carried out, and answers 0x30 all the same
 *   late C_Sign 3 0x30          likewise the 3rd C_Sign
 *   glitch                      where one of these answers CKR_DEVICE_REMOVED or CKR_SESSION_HANDLE_INVALID, the sessions are lost indeed
 *   reserved TEXT               C_Initialize is given that as its reserved parameter, which NSS wants
 *   slow C_GenerateKeyPair 2000 it takes 2 seconds longer
 *   remove                      no token in any slot; sessions die (remove-mode session: CKR_SESSION_HANDLE_INVALID instead of CKR_DEVICE_REMOVED;
 *                               remove-mode silent: likewise, but the slots go on saying that their tokens are there)
 *   remove-at 57                likewise from the 57th call of all on
 *   slot-events                 C_WaitForSlotEvent tells once of each removal and return
 *   lie 0x163 00                that attribute reads as these bytes, of private keys and all else; "lie 0x163 none": CKR_ATTRIBUTE_TYPE_INVALID,
 *                               "lie 0x163 unavailable": a length of CK_UNAVAILABLE_INFORMATION
 *   length 0x163 ffff…          that attribute claims to be so long, when asked for its length and when read (hexadecimal; 16 digits: CK_UNAVAILABLE_INFORMATION)
 *   pin-locked pin-final pin-low pin-unset pin-change so-locked write-protected    flags of the token; C_Login, C_OpenSession for writing and
 *                               C_GenerateKeyPair answer as such a token does
 *   pinpad 1234                 the token has its own keypad: C_Login takes no PIN, it is this one that is typed there (and "slow C_Login" how long it takes)
 *   serial 0123                 the token has another serial number
 *   label-hex c3a4 serial-hex 00  its label and serial number are these bytes; unpadded: zeros follow all its texts instead of blanks
 *   no-slots                    there is no slot; only LABEL: just that of the token of that label
 *   clones 100 same LABEL       as many slots more, all of which hold the token of that label (other: each under a name and serial number of its own)
 *   claim-slots ff claim-mechanisms ff claim-found ff claim-signature ff    counts and lengths that are made up (hexadecimal)
 *   always-authenticate         private keys read so; "always-authenticate real": they are generated so
 *   public-of LABEL             objects tell the modulus or point of the public key of that label instead of their own
 *   sign-with LABEL             the private key of that label signs instead of the one that is asked for
 *   no-mechanism 0x1            the token doesn't offer that mechanism
 *   refuse-attribute 0x10a 0x12 C_GenerateKeyPair answers 0x12 to a template that holds that attribute
 *   half 0x30                   C_GenerateKeyPair makes the key, and answers 0x30
 *   import                      C_GenerateKeyPair brings in a key that was made outside
 *   adopt LABEL                 C_GenerateKeyPair makes nothing: it passes off the pair of that label, under the label and id that are asked for
 *   twin                        after each generation another pair of the same label and id is brought in */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <p11-kit/pkcs11.h>

#define CONF_MAX 4096
static CK_FUNCTION_LIST *real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char conf[CONF_MAX];
static unsigned calls_all;
static int was_removed, event_due;
static struct { char name[32]; unsigned calls; } counts[80];

static __thread CK_RV afterwards;       /* what the call under way answers although it was carried out */

static CK_FUNCTION_LIST wrapper;

static int
load_real (void)
{
    CK_RV (*get) (CK_FUNCTION_LIST **);
    const char *path = getenv ("WRAP_PKCS11_MODULE");
    void *module = real ? NULL : dlopen (path && *path ? path : "/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    if (module && (get = (CK_RV (*) (CK_FUNCTION_LIST **)) dlsym (module, "C_GetFunctionList")))
        get (&real);
    return real != NULL;
}

/* The rest of the n-th line that begins with @word, copied to @rest. */
static int
line (const char *word, unsigned n, char rest[128])
{
    size_t len = strlen (word);
    for (const char *p = conf; *p; p += strcspn (p, "\n"), p += *p == '\n') {
        size_t all = strcspn (p, "\n");
        if (all < len || strncmp (p, word, len) != 0 || (p[len] != ' ' && p[len] != '\n' && p[len] != 0) || n-- > 0)
            continue;
        snprintf (rest, 128, "%.*s", (int) (all > len ? all - len - 1 : 0), p + len + (all > len));
        return 1;
    }
    return 0;
}

static void
read_conf (void)
{
    static char fresh[CONF_MAX];
    char before[128], now[128];
    const char *path = getenv ("WRAP_PKCS11_CONF");
    int fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read (fd, fresh, sizeof fresh - 1) : 0;
    if (fd >= 0)
        close (fd);
    fresh[n > 0 ? n : 0] = 0;
    if (strcmp (fresh, conf) == 0)
        return;
    int counted = line ("count", 0, before);
    strcpy (conf, fresh);
    if (counted && line ("count", 0, now) && strcmp (before, now) == 0)
        return;
    memset (counts, 0, sizeof counts);
    calls_all = 0;
}

static int
says (const char *word)
{
    char rest[128];
    return line (word, 0, rest);
}

static unsigned
count (const char *name)
{
    unsigned i = 0;
    while (counts[i].name[0] && strcmp (counts[i].name, name) != 0)
        i++;
    snprintf (counts[i].name, sizeof counts[i].name, "%s", name);
    return ++counts[i].calls;
}

static void
log_call (const char *name)
{
    char line_path[128];
    const char *path = line ("log", 0, line_path) ? line_path : getenv ("WRAP_PKCS11_LOG");
    int fd = path ? open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        dprintf (fd, "%s\n", name);
        close (fd);
    }
}

static void
lose_sessions (void)
{
    CK_SLOT_ID slots[32];
    CK_ULONG n = 32;
    if (real->C_GetSlotList (CK_TRUE, slots, &n) == CKR_OK)
        for (CK_ULONG i = 0; i < n; i++)
            real->C_CloseAllSessions (slots[i]);
}

static void
notice_removal (void)
{
    char rest[128];
    int removed = says ("remove") || (line ("remove-at", 0, rest) && calls_all >= strtoul (rest, NULL, 10));
    if (removed && !was_removed)
        lose_sessions ();
    event_due |= removed != was_removed;
    was_removed = removed;
}

static int
loses (CK_RV answer)
{
    return (answer == CKR_DEVICE_REMOVED || answer == CKR_SESSION_HANDLE_INVALID) && says ("glitch");
}

/* A call that was carried out: what it answers. */
static CK_RV
leave (CK_RV rv)
{
    if (loses (afterwards))
        lose_sessions ();
    return afterwards ? afterwards : rv;
}

/* What the configuration makes of this call: CKR_OK where it is to be forwarded. */
static CK_RV
enter (const char *name)
{
    char rest[128], function[64];
    unsigned n, ms = 0;
    unsigned long rv;
    CK_RV answer = CKR_OK;
    afterwards = CKR_OK;
    pthread_mutex_lock (&lock);
    read_conf ();
    log_call (name);
    unsigned nth = count (name);
    calls_all++;
    notice_removal ();
    for (unsigned i = 0; line ("fail", i, rest); i++)
        if (sscanf (rest, "%63s %u %lx", function, &n, &rv) == 3 && strcmp (function, name) == 0 && (n == 0 || n == nth))
            answer = rv;
    for (unsigned i = 0; line ("failall", i, rest); i++)
        if (sscanf (rest, "%u %lx", &n, &rv) == 2 && n == calls_all)
            answer = rv;
    for (unsigned i = 0; line ("late", i, rest); i++)
        if (sscanf (rest, "%63s %u %lx", function, &n, &rv) == 3 && strcmp (function, name) == 0 && n == nth)
            afterwards = rv;
    for (unsigned i = 0; line ("failafter", i, rest); i++)
        if (sscanf (rest, "%u %lx", &n, &rv) == 2 && n == calls_all)
            afterwards = rv;
    if (loses (answer))
        lose_sessions ();
    for (unsigned i = 0; line ("slow", i, rest); i++)
        if (sscanf (rest, "%63s %u", function, &n) == 2 && strcmp (function, name) == 0)
            ms = n;
    pthread_mutex_unlock (&lock);
    usleep (ms * 1000);
    return answer;
}

static int
removal_is (const char *mode)
{
    char rest[128];
    return line ("remove-mode", 0, rest) && strcmp (rest, mode) == 0;
}

static CK_RV
removed_answer (void)
{
    return removal_is ("session") || removal_is ("silent") ? CKR_SESSION_HANDLE_INVALID : CKR_DEVICE_REMOVED;
}

#define CLONE_FIRST 0x5000UL

/* The slot of the token of @label. */
static CK_SLOT_ID
slot_of (const char *label)
{
    CK_SLOT_ID slots[64];
    CK_ULONG n = 64;
    CK_TOKEN_INFO info;
    if (real->C_GetSlotList (CK_TRUE, slots, &n) == CKR_OK)
        for (CK_ULONG i = 0; i < n; i++)
            if (real->C_GetTokenInfo (slots[i], &info) == CKR_OK && memcmp (info.label, label, strlen (label)) == 0)
                return slots[i];
    return 0;
}

/* How many more slots there are, and which token they hold. */
static unsigned
clones (int *same, char label[128])
{
    char rest[128], how[16];
    unsigned n = 0;
    if (!line ("clones", 0, rest) || sscanf (rest, "%u %15s %127[^\n]", &n, how, label) != 3)
        return 0;
    *same = strcmp (how, "same") == 0;
    return n;
}

/* The real slot behind @slot. */
static CK_SLOT_ID
behind (CK_SLOT_ID slot)
{
    int same;
    char label[128];
    return slot >= CLONE_FIRST && slot < CLONE_FIRST + clones (&same, label) ? slot_of (label) : slot;
}

/* Gives the number of a "claim-…" line instead of @n. */
static void
claim (const char *word, CK_ULONG *n)
{
    char rest[128];
    if (line (word, 0, rest))
        *n = strtoul (rest, NULL, 16);
}

#define PLAIN(name, params, args) \
    static CK_RV wrap_##name params { CK_RV rv = enter (#name); return rv ? rv : leave (real->name args); }
#define SESSION(name, params, args) \
    static CK_RV wrap_##name params { CK_RV rv = enter (#name); return rv ? rv : was_removed ? removed_answer () : leave (real->name args); }
#define SLOT(name, params, args) \
    static CK_RV wrap_##name params { CK_RV rv = enter (#name); s = behind (s); return rv ? rv : was_removed ? CKR_TOKEN_NOT_PRESENT : leave (real->name args); }

typedef unsigned char *Bytes;
typedef CK_ULONG *Len;
typedef CK_SESSION_HANDLE S;
typedef CK_OBJECT_HANDLE O;

PLAIN (C_Finalize, (void *a), (a))
PLAIN (C_GetInfo, (CK_INFO *i), (i))
SLOT (C_InitToken, (CK_SLOT_ID s, Bytes p, CK_ULONG n, Bytes l), (s, p, n, l))
SLOT (C_CloseAllSessions, (CK_SLOT_ID s), (s))
SESSION (C_InitPIN, (S s, Bytes p, CK_ULONG n), (s, p, n))
SESSION (C_SetPIN, (S s, Bytes o, CK_ULONG on, Bytes p, CK_ULONG n), (s, o, on, p, n))
SESSION (C_CloseSession, (S s), (s))
SESSION (C_GetSessionInfo, (S s, CK_SESSION_INFO *i), (s, i))
SESSION (C_GetOperationState, (S s, Bytes d, Len n), (s, d, n))
SESSION (C_SetOperationState, (S s, Bytes d, CK_ULONG n, O e, O a), (s, d, n, e, a))
SESSION (C_Logout, (S s), (s))
SESSION (C_CreateObject, (S s, CK_ATTRIBUTE *t, CK_ULONG n, O *o), (s, t, n, o))
SESSION (C_CopyObject, (S s, O o, CK_ATTRIBUTE *t, CK_ULONG n, O *c), (s, o, t, n, c))
SESSION (C_DestroyObject, (S s, O o), (s, o))
SESSION (C_GetObjectSize, (S s, O o, Len n), (s, o, n))
SESSION (C_SetAttributeValue, (S s, O o, CK_ATTRIBUTE *t, CK_ULONG n), (s, o, t, n))
SESSION (C_FindObjectsInit, (S s, CK_ATTRIBUTE *t, CK_ULONG n), (s, t, n))
SESSION (C_FindObjectsFinal, (S s), (s))
SESSION (C_EncryptInit, (S s, CK_MECHANISM *m, O k), (s, m, k))
SESSION (C_Encrypt, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_EncryptUpdate, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_EncryptFinal, (S s, Bytes o, Len l), (s, o, l))
SESSION (C_DecryptInit, (S s, CK_MECHANISM *m, O k), (s, m, k))
SESSION (C_Decrypt, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_DecryptUpdate, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_DecryptFinal, (S s, Bytes o, Len l), (s, o, l))
SESSION (C_DigestInit, (S s, CK_MECHANISM *m), (s, m))
SESSION (C_Digest, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_DigestUpdate, (S s, Bytes d, CK_ULONG n), (s, d, n))
SESSION (C_DigestKey, (S s, O k), (s, k))
SESSION (C_DigestFinal, (S s, Bytes o, Len l), (s, o, l))
SESSION (C_SignUpdate, (S s, Bytes d, CK_ULONG n), (s, d, n))
SESSION (C_SignFinal, (S s, Bytes o, Len l), (s, o, l))
SESSION (C_SignRecoverInit, (S s, CK_MECHANISM *m, O k), (s, m, k))
SESSION (C_SignRecover, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_VerifyInit, (S s, CK_MECHANISM *m, O k), (s, m, k))
SESSION (C_Verify, (S s, Bytes d, CK_ULONG n, Bytes o, CK_ULONG l), (s, d, n, o, l))
SESSION (C_VerifyUpdate, (S s, Bytes d, CK_ULONG n), (s, d, n))
SESSION (C_VerifyFinal, (S s, Bytes o, CK_ULONG l), (s, o, l))
SESSION (C_VerifyRecoverInit, (S s, CK_MECHANISM *m, O k), (s, m, k))
SESSION (C_VerifyRecover, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_DigestEncryptUpdate, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_DecryptDigestUpdate, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_SignEncryptUpdate, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_DecryptVerifyUpdate, (S s, Bytes d, CK_ULONG n, Bytes o, Len l), (s, d, n, o, l))
SESSION (C_GenerateKey, (S s, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG n, O *k), (s, m, t, n, k))
SESSION (C_WrapKey, (S s, CK_MECHANISM *m, O w, O k, Bytes o, Len l), (s, m, w, k, o, l))
SESSION (C_UnwrapKey, (S s, CK_MECHANISM *m, O w, Bytes d, CK_ULONG n, CK_ATTRIBUTE *t, CK_ULONG c, O *k), (s, m, w, d, n, t, c, k))
SESSION (C_DeriveKey, (S s, CK_MECHANISM *m, O b, CK_ATTRIBUTE *t, CK_ULONG n, O *k), (s, m, b, t, n, k))
SESSION (C_SeedRandom, (S s, Bytes d, CK_ULONG n), (s, d, n))
SESSION (C_GenerateRandom, (S s, Bytes d, CK_ULONG n), (s, d, n))
SESSION (C_GetFunctionStatus, (S s), (s))
SESSION (C_CancelFunction, (S s), (s))

static CK_RV
wrap_C_Initialize (void *a)
{
    static char reserved[1024];
    CK_C_INITIALIZE_ARGS args = { 0 };
    CK_RV rv = enter ("C_Initialize");
    const char *at = strstr (conf, "reserved ");
    if (at && a) {
        args = *(CK_C_INITIALIZE_ARGS *) a;
        snprintf (reserved, sizeof reserved, "%.*s", (int) strcspn (at + 9, "\n"), at + 9);
        args.pReserved = reserved;
        a = &args;
    }
    return rv ? rv : leave (real->C_Initialize (a));
}

static CK_RV
wrap_C_GetSlotList (CK_BBOOL present, CK_SLOT_ID *list, Len n)
{
    int same;
    char label[128];
    CK_ULONG room = *n;
    CK_RV rv = enter ("C_GetSlotList");
    if (rv == CKR_OK && (says ("no-slots") || (present && was_removed && !removal_is ("silent"))))
        return *n = 0, CKR_OK;
    if (rv == CKR_OK && line ("only", 0, label)) {
        if (list && room > 0)
            list[0] = slot_of (label);
        *n = 1;
    } else
        rv = rv ? rv : real->C_GetSlotList (present, list, n);
    rv = rv ? rv : leave (rv);
    for (unsigned i = 0, more = clones (&same, label); rv == CKR_OK && i < more; i++, ++*n) {
        if (list && *n >= room)
            return CKR_BUFFER_TOO_SMALL;
        if (list)
            list[*n] = CLONE_FIRST + i;
    }
    claim ("claim-slots", n);
    return rv;
}

static CK_RV
wrap_C_GetMechanismList (CK_SLOT_ID s, CK_MECHANISM_TYPE *list, Len n)
{
    CK_RV rv = enter ("C_GetMechanismList");
    rv = rv ? rv : was_removed ? CKR_TOKEN_NOT_PRESENT : leave (real->C_GetMechanismList (behind (s), list, n));
    claim ("claim-mechanisms", n);
    return rv;
}

static CK_RV
wrap_C_OpenSession (CK_SLOT_ID s, CK_FLAGS flags, void *application, CK_NOTIFY notify, S *session)
{
    CK_RV rv = enter ("C_OpenSession");
    if (rv == CKR_OK && was_removed)
        rv = removal_is ("silent") ? CKR_DEVICE_ERROR : CKR_TOKEN_NOT_PRESENT;
    if (rv == CKR_OK && (flags & CKF_RW_SESSION) && says ("write-protected"))
        rv = CKR_TOKEN_WRITE_PROTECTED;
    return rv ? rv : leave (real->C_OpenSession (behind (s), flags, application, notify, session));
}

static CK_RV
wrap_C_FindObjects (S s, O *objects, CK_ULONG max, Len n)
{
    CK_RV rv = enter ("C_FindObjects");
    rv = rv ? rv : was_removed ? removed_answer () : leave (real->C_FindObjects (s, objects, max, n));
    if (rv == CKR_OK && *n > 0)
        claim ("claim-found", n);
    return rv;
}

static CK_RV
wrap_C_GetSlotInfo (CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    CK_RV rv = enter ("C_GetSlotInfo");
    if (rv == CKR_OK)
        rv = real->C_GetSlotInfo (behind (slot), info);
    if (rv == CKR_OK && was_removed && !removal_is ("silent"))
        info->flags &= ~CKF_TOKEN_PRESENT;
    return rv ? rv : leave (rv);
}

/* The bytes of a "…-hex" line. */
static size_t
bytes_of (const char *word, unsigned char *out, size_t room)
{
    char rest[128];
    size_t n = 0;
    unsigned byte;
    if (line (word, 0, rest))
        while (n < room && sscanf (rest + 2 * n, "%2x", &byte) == 1)
            out[n++] = (unsigned char) byte;
    return n;
}

static void
fill_text (unsigned char *field, size_t len, const void *text, size_t n, int pad)
{
    memset (field, pad, len);
    memcpy (field, text, n < len ? n : len);
}

static void
unpad (unsigned char *field, size_t len)
{
    while (len > 0 && field[len - 1] == ' ')
        field[--len] = 0;
}

/* What a clone that isn't the same calls itself. */
static void
name_clone (CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    int same = 1;
    char label[128], text[32];
    if (slot < CLONE_FIRST || slot >= CLONE_FIRST + clones (&same, label) || same)
        return;
    snprintf (text, sizeof text, "another %lu", slot - CLONE_FIRST);
    fill_text (info->label, sizeof info->label, text, strlen (text), ' ');
    snprintf (text, sizeof text, "X%lu", slot - CLONE_FIRST);
    fill_text (info->serialNumber, sizeof info->serialNumber, text, strlen (text), ' ');
}

static void
dress (CK_TOKEN_INFO *info)
{
    static const struct { const char *word; CK_FLAGS flag; } FLAGS[] = {
        { "pin-locked", CKF_USER_PIN_LOCKED }, { "pin-final", CKF_USER_PIN_FINAL_TRY }, { "pin-low", CKF_USER_PIN_COUNT_LOW },
        { "pin-change", CKF_USER_PIN_TO_BE_CHANGED }, { "so-locked", CKF_SO_PIN_LOCKED }, { "write-protected", CKF_WRITE_PROTECTED },
        { "pinpad", CKF_PROTECTED_AUTHENTICATION_PATH },
    };
    char serial[128];
    unsigned char bytes[32];
    size_t n;
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
        info->flags |= line (FLAGS[i].word, 0, serial) ? FLAGS[i].flag : 0;
    if (says ("pin-unset"))
        info->flags &= ~CKF_USER_PIN_INITIALIZED;
    if (line ("serial", 0, serial))
        fill_text (info->serialNumber, sizeof info->serialNumber, serial, strlen (serial), ' ');
    if ((n = bytes_of ("serial-hex", bytes, sizeof bytes)))
        fill_text (info->serialNumber, sizeof info->serialNumber, bytes, n, ' ');
    if ((n = bytes_of ("label-hex", bytes, sizeof bytes)))
        fill_text (info->label, sizeof info->label, bytes, n, ' ');
    if (says ("unpadded")) {
        unpad (info->label, sizeof info->label);
        unpad (info->serialNumber, sizeof info->serialNumber);
        unpad (info->manufacturerID, sizeof info->manufacturerID);
        unpad (info->model, sizeof info->model);
    }
}

static CK_RV
wrap_C_GetTokenInfo (CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = enter ("C_GetTokenInfo");
    if (rv == CKR_OK)
        rv = was_removed && !removal_is ("silent") ? CKR_TOKEN_NOT_PRESENT : real->C_GetTokenInfo (behind (slot), info);
    if (rv != CKR_OK)
        return rv;
    name_clone (slot, info);
    dress (info);
    return leave (rv);
}

static CK_RV
wrap_C_GetMechanismInfo (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    char rest[128];
    CK_RV rv = enter ("C_GetMechanismInfo");
    for (unsigned i = 0; rv == CKR_OK && line ("no-mechanism", i, rest); i++)
        if (strtoul (rest, NULL, 0) == type)
            return CKR_MECHANISM_INVALID;
    return rv ? rv : was_removed ? CKR_TOKEN_NOT_PRESENT : leave (real->C_GetMechanismInfo (behind (slot), type, info));
}

static CK_RV
wrap_C_WaitForSlotEvent (CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved)
{
    CK_RV rv = enter ("C_WaitForSlotEvent");
    CK_SLOT_ID slots[64];
    CK_ULONG n = 64;
    if (rv == CKR_OK && says ("slot-events")) {
        if (!event_due || real->C_GetSlotList (CK_TRUE, slots, &n) != CKR_OK || n == 0)
            return CKR_NO_EVENT;
        event_due = 0;
        *slot = slots[0];
        return CKR_OK;
    }
    return rv ? rv : leave (real->C_WaitForSlotEvent (flags, slot, reserved));
}

static CK_RV
wrap_C_Login (S session, CK_USER_TYPE user, Bytes pin, CK_ULONG len)
{
    char typed[128];
    CK_RV rv = enter ("C_Login");
    if (rv == CKR_OK && was_removed)
        rv = removed_answer ();
    if (rv == CKR_OK && user != CKU_SO)
        rv = says ("pin-locked") ? CKR_PIN_LOCKED : says ("pin-unset") ? CKR_USER_PIN_NOT_INITIALIZED : says ("pin-change") ? CKR_PIN_EXPIRED : CKR_OK;
    if (rv != CKR_OK)
        return rv;
    if (!line ("pinpad", 0, typed))
        return leave (real->C_Login (session, user, pin, len));
    return pin ? CKR_ARGUMENTS_BAD : leave (real->C_Login (session, user, (Bytes) typed, strlen (typed)));
}

/* The first object of @class and @label. */
static O
object_of (S session, CK_OBJECT_CLASS class, const char *label)
{
    CK_ATTRIBUTE match[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, (void *) label, strlen (label) } };
    CK_ULONG found = 0;
    O object = 0;
    if (real->C_FindObjectsInit (session, match, 2) == CKR_OK && real->C_FindObjects (session, &object, 1, &found) != CKR_OK)
        found = 0;
    real->C_FindObjectsFinal (session);
    return found ? object : 0;
}

static CK_RV
wrap_C_SignInit (S s, CK_MECHANISM *m, O key)
{
    char label[128];
    CK_RV rv = enter ("C_SignInit");
    if (rv == CKR_OK && line ("sign-with", 0, label))
        key = object_of (s, CKO_PRIVATE_KEY, label);
    return rv ? rv : was_removed ? removed_answer () : leave (real->C_SignInit (s, m, key));
}

/* A C_Sign that fails ends its operation (PKCS#11, C_Sign), so it is forwarded all the same and what it made thrown away. */
static CK_RV
wrap_C_Sign (S session, Bytes data, CK_ULONG n, Bytes out, Len len)
{
    CK_RV rv = enter ("C_Sign");
    if (rv == CKR_OK)
        rv = was_removed ? removed_answer () : leave (real->C_Sign (session, data, n, out, len));
    else if (out)
        real->C_Sign (session, data, n, out, len);
    claim ("claim-signature", len);
    return rv;
}

static CK_RV
give (CK_ATTRIBUTE *a, const void *bytes, CK_ULONG len)
{
    CK_ULONG room = a->ulValueLen;
    a->ulValueLen = len;
    if (!a->pValue)
        return CKR_OK;
    if (room < len)
        return CKR_BUFFER_TOO_SMALL;
    memcpy (a->pValue, bytes, len);
    return CKR_OK;
}

/* A length that is made up; -1 where no "length" line speaks of @a. */
static long
boast (CK_ATTRIBUTE *a)
{
    char rest[128];
    unsigned long type, len;
    for (unsigned i = 0; line ("length", i, rest); i++)
        if (sscanf (rest, "%lx %lx", &type, &len) == 2 && type == a->type)
            return a->ulValueLen = len, CKR_OK;
    return -1;
}

/* What a "lie" line makes of attribute @a; -1 where none speaks of it. */
static long
lie (CK_ATTRIBUTE *a)
{
    char rest[128], value[100];
    unsigned long type;
    if (a->type == CKA_ALWAYS_AUTHENTICATE && line ("always-authenticate", 0, rest))
        return (long) give (a, "\1", 1);
    for (unsigned i = 0; line ("lie", i, rest); i++) {
        unsigned char bytes[50];
        unsigned n = 0, byte;
        if (sscanf (rest, "%lx %99s", &type, value) != 2 || type != a->type)
            continue;
        if (strcmp (value, "none") == 0 || strcmp (value, "unavailable") == 0)
            a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        if (value[0] == 'n' || value[0] == 'u')
            return value[0] == 'n' ? CKR_ATTRIBUTE_TYPE_INVALID : CKR_OK;
        while (n < sizeof bytes && sscanf (value + 2 * n, "%2x", &byte) == 1)
            bytes[n++] = (unsigned char) byte;
        return (long) give (a, bytes, n);
    }
    return -1;
}

static CK_RV
wrap_C_GetAttributeValue (S session, O object, CK_ATTRIBUTE *t, CK_ULONG n)
{
    CK_RV rv = enter ("C_GetAttributeValue"), first = CKR_OK;
    char label[128];
    if (rv)
        return rv;
    if (was_removed)
        return removed_answer ();
    for (CK_ULONG i = 0; i < n; i++) {
        long lied = boast (&t[i]);
        O from = object;
        if (lied < 0)
            lied = lie (&t[i]);
        if ((t[i].type == CKA_EC_POINT || t[i].type == CKA_MODULUS) && line ("public-of", 0, label))
            from = object_of (session, CKO_PUBLIC_KEY, label);
        rv = lied >= 0 ? (CK_RV) lied : real->C_GetAttributeValue (session, from, &t[i], 1);
        if (first == CKR_OK)
            first = rv;
    }
    return first ? first : leave (first);
}

/* Bringing a key in from outside: made as an extractable session pair, read out, and created anew as a token object with the wanted names. */
typedef struct { CK_ATTRIBUTE a[32]; CK_ULONG n; unsigned char room[8192]; size_t used; } Copy;

static void
put (Copy *c, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
    for (CK_ULONG i = 0; i < c->n; i++)
        if (c->a[i].type == type)
            return;
    memcpy (c->room + c->used, value, len);
    c->a[c->n++] = (CK_ATTRIBUTE) { type, c->room + c->used, len };
    c->used += len;
}

static void
put_read (Copy *c, S session, O object, CK_ATTRIBUTE_TYPE type)
{
    unsigned char buffer[1024];
    CK_ATTRIBUTE a = { type, buffer, sizeof buffer };
    if (real->C_GetAttributeValue (session, object, &a, 1) == CKR_OK && a.ulValueLen <= sizeof buffer)
        put (c, type, buffer, a.ulValueLen);
}

static void
put_all (Copy *c, CK_ATTRIBUTE *t, CK_ULONG n, const CK_ATTRIBUTE_TYPE *without)
{
    for (CK_ULONG i = 0; i < n; i++) {
        int left_out = 0;
        for (const CK_ATTRIBUTE_TYPE *w = without; *w != (CK_ATTRIBUTE_TYPE) -1; w++)
            left_out |= *w == t[i].type;
        if (!left_out)
            put (c, t[i].type, t[i].pValue, t[i].ulValueLen);
    }
}

static CK_RV
bring_in (S session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *pub, CK_ULONG pn, CK_ATTRIBUTE *prv, CK_ULONG vn, O *public_key, O *private_key)
{
    static const CK_ATTRIBUTE_TYPE LOOSE[] = { CKA_TOKEN, CKA_LABEL, CKA_ID, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_PRIVATE, -1UL };
    static const CK_ATTRIBUTE_TYPE MADE[] = { CKA_MODULUS_BITS, CKA_EC_PARAMS, CKA_PUBLIC_EXPONENT, -1UL }, NONE[] = { -1UL };
    static const CK_ATTRIBUTE_TYPE PARTS[] = { CKA_KEY_TYPE, CKA_EC_PARAMS, CKA_MODULUS, CKA_PUBLIC_EXPONENT }, PUBLIC[] = { CKA_EC_POINT },
        PRIVATE[] = { CKA_VALUE, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT };
    const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    const CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY, private_class = CKO_PRIVATE_KEY;
    static Copy loose_public, loose_private, new_public, new_private;
    O from_public, from_private;
    loose_public.n = loose_private.n = new_public.n = new_private.n = 0;
    loose_public.used = loose_private.used = new_public.used = new_private.used = 0;

    put (&loose_public, CKA_TOKEN, &no, 1);
    put_all (&loose_public, pub, pn, LOOSE);
    put (&loose_private, CKA_TOKEN, &no, 1);
    put (&loose_private, CKA_SENSITIVE, &no, 1);
    put (&loose_private, CKA_EXTRACTABLE, &yes, 1);
    put_all (&loose_private, prv, vn, LOOSE);
    CK_RV rv = real->C_GenerateKeyPair (session, mechanism, loose_public.a, loose_public.n, loose_private.a, loose_private.n, &from_public, &from_private);
    if (rv != CKR_OK)
        return rv;

    put (&new_public, CKA_CLASS, &public_class, sizeof public_class);
    put (&new_private, CKA_CLASS, &private_class, sizeof private_class);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        put_read (&new_public, session, from_public, PARTS[i]);
        put_read (&new_private, session, from_private, PARTS[i]);
    }
    put_read (&new_public, session, from_public, PUBLIC[0]);
    for (size_t i = 0; i < sizeof PRIVATE / sizeof *PRIVATE; i++)
        put_read (&new_private, session, from_private, PRIVATE[i]);
    put_all (&new_public, pub, pn, MADE);
    put_all (&new_private, prv, vn, NONE);
    rv = real->C_CreateObject (session, new_public.a, new_public.n, public_key);
    if (rv == CKR_OK)
        rv = real->C_CreateObject (session, new_private.a, new_private.n, private_key);
    real->C_DestroyObject (session, from_public);
    real->C_DestroyObject (session, from_private);
    return rv;
}

/* The first object of @class and @label gets the label and the id of the template. */
static CK_RV
rename_one (S session, CK_OBJECT_CLASS class, char *label, CK_ATTRIBUTE *t, CK_ULONG n, O *object)
{
    CK_RV rv = (*object = object_of (session, class, label)) ? CKR_OK : CKR_FUNCTION_FAILED;
    for (CK_ULONG i = 0; rv == CKR_OK && i < n; i++)
        if (t[i].type == CKA_LABEL || t[i].type == CKA_ID)
            rv = real->C_SetAttributeValue (session, *object, &t[i], 1);
    return rv;
}

static CK_RV
refused_attribute (CK_ATTRIBUTE *t, CK_ULONG n)
{
    char rest[128];
    unsigned long type, rv;
    for (unsigned i = 0; line ("refuse-attribute", i, rest); i++)
        for (CK_ULONG j = 0; sscanf (rest, "%lx %lx", &type, &rv) == 2 && j < n; j++)
            if (t[j].type == type)
                return rv;
    return CKR_OK;
}

static CK_RV
wrap_C_GenerateKeyPair (S session, CK_MECHANISM *m, CK_ATTRIBUTE *pub, CK_ULONG pn, CK_ATTRIBUTE *prv, CK_ULONG vn, O *public_key, O *private_key)
{
    static CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE guarded[64];
    O other_public, other_private;
    char rest[128];
    CK_RV rv = enter ("C_GenerateKeyPair");
    if (rv == CKR_OK && says ("write-protected"))
        rv = CKR_TOKEN_WRITE_PROTECTED;
    if (rv == CKR_OK && was_removed)
        rv = removed_answer ();
    if (rv == CKR_OK)
        rv = refused_attribute (pub, pn);
    if (rv == CKR_OK)
        rv = refused_attribute (prv, vn);
    if (rv != CKR_OK)
        return rv;
    if (line ("always-authenticate", 0, rest) && strcmp (rest, "real") == 0 && vn < 64) {
        memcpy (guarded, prv, vn * sizeof *prv);
        guarded[vn] = (CK_ATTRIBUTE) { CKA_ALWAYS_AUTHENTICATE, &yes, sizeof yes };
        prv = guarded;
        vn++;
    }
    if (line ("adopt", 0, rest)) {
        rv = rename_one (session, CKO_PUBLIC_KEY, rest, pub, pn, public_key);
        return rv == CKR_OK ? rename_one (session, CKO_PRIVATE_KEY, rest, prv, vn, private_key) : rv;
    }
    if (says ("import"))
        return bring_in (session, m, pub, pn, prv, vn, public_key, private_key);
    rv = real->C_GenerateKeyPair (session, m, pub, pn, prv, vn, public_key, private_key);
    if (rv == CKR_OK && says ("twin"))
        rv = bring_in (session, m, pub, pn, prv, vn, &other_public, &other_private);
    if (rv == CKR_OK && line ("half", 0, rest))
        rv = strtoul (rest, NULL, 0);
    return rv ? rv : leave (rv);
}

CK_RV C_GetFunctionList (CK_FUNCTION_LIST **list);

CK_RV
C_GetFunctionList (CK_FUNCTION_LIST **list)
{
    if (!load_real ())
        return CKR_GENERAL_ERROR;
    wrapper.version.major = 2;
    wrapper.version.minor = 40;
    *list = &wrapper;
    return CKR_OK;
}

#define W(name) .name = wrap_##name,
static CK_FUNCTION_LIST wrapper = {
    .C_GetFunctionList = C_GetFunctionList,
    W (C_Initialize) W (C_Finalize) W (C_GetInfo) W (C_GetSlotList) W (C_GetSlotInfo) W (C_GetTokenInfo) W (C_GetMechanismList) W (C_GetMechanismInfo)
    W (C_InitToken) W (C_InitPIN) W (C_SetPIN) W (C_OpenSession) W (C_CloseSession) W (C_CloseAllSessions) W (C_GetSessionInfo)
    W (C_GetOperationState) W (C_SetOperationState) W (C_Login) W (C_Logout) W (C_CreateObject) W (C_CopyObject) W (C_DestroyObject)
    W (C_GetObjectSize) W (C_GetAttributeValue) W (C_SetAttributeValue) W (C_FindObjectsInit) W (C_FindObjects) W (C_FindObjectsFinal)
    W (C_EncryptInit) W (C_Encrypt) W (C_EncryptUpdate) W (C_EncryptFinal) W (C_DecryptInit) W (C_Decrypt) W (C_DecryptUpdate) W (C_DecryptFinal)
    W (C_DigestInit) W (C_Digest) W (C_DigestUpdate) W (C_DigestKey) W (C_DigestFinal) W (C_SignInit) W (C_Sign) W (C_SignUpdate) W (C_SignFinal)
    W (C_SignRecoverInit) W (C_SignRecover) W (C_VerifyInit) W (C_Verify) W (C_VerifyUpdate) W (C_VerifyFinal) W (C_VerifyRecoverInit)
    W (C_VerifyRecover) W (C_DigestEncryptUpdate) W (C_DecryptDigestUpdate) W (C_SignEncryptUpdate) W (C_DecryptVerifyUpdate) W (C_GenerateKey)
    W (C_GenerateKeyPair) W (C_WrapKey) W (C_UnwrapKey) W (C_DeriveKey) W (C_SeedRandom) W (C_GenerateRandom) W (C_GetFunctionStatus)
    W (C_CancelFunction) W (C_WaitForSlotEvent)
};
