/* A PKCS#11 module for tests: forwards every call to a real one ($WRAP_PKCS11_MODULE, else SoftHSM) and misbehaves as the file $WRAP_PKCS11_CONF says, which
 * is read again at each call. Counts begin anew whenever that file's text changes. The file $WRAP_PKCS11_LOG, or that of a line "log PATH",
 * gets the name of each function called, a line each.
 *
 *   fail C_Sign 3 0x30          the 3rd C_Sign answers 0x30 without being forwarded (0: every one)
 *   failall 57 0x30             the 57th call of all does
 *   slow C_GenerateKeyPair 2000 it takes 2 seconds longer
 *   remove                      no token in any slot; sessions die (remove-mode session: CKR_SESSION_HANDLE_INVALID instead of CKR_DEVICE_REMOVED)
 *   lie 0x163 00                that attribute reads as these bytes, of private keys and all else; "lie 0x163 none": CKR_ATTRIBUTE_TYPE_INVALID,
 *                               "lie 0x163 unavailable": a length of CK_UNAVAILABLE_INFORMATION
 *   pin-locked pin-final pin-low  flags of the token; C_Login answers CKR_PIN_LOCKED for the first
 *   serial 0123                 the token has another serial number
 *   always-authenticate         private keys read so
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
static int was_removed;
static struct { char name[32]; unsigned calls; } counts[80];

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

static void
read_conf (void)
{
    static char fresh[CONF_MAX];
    const char *path = getenv ("WRAP_PKCS11_CONF");
    int fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read (fd, fresh, sizeof fresh - 1) : 0;
    if (fd >= 0)
        close (fd);
    fresh[n > 0 ? n : 0] = 0;
    if (strcmp (fresh, conf) != 0) {
        strcpy (conf, fresh);
        memset (counts, 0, sizeof counts);
        calls_all = 0;
    }
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
notice_removal (void)
{
    int removed = says ("remove");
    if (removed && !was_removed) {
        CK_SLOT_ID slots[32];
        CK_ULONG n = 32;
        if (real->C_GetSlotList (CK_TRUE, slots, &n) == CKR_OK)
            for (CK_ULONG i = 0; i < n; i++)
                real->C_CloseAllSessions (slots[i]);
    }
    was_removed = removed;
}

/* What the configuration makes of this call: CKR_OK where it is to be forwarded. */
static CK_RV
enter (const char *name)
{
    char rest[128], function[64];
    unsigned n, ms = 0;
    unsigned long rv;
    CK_RV answer = CKR_OK;
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
    for (unsigned i = 0; line ("slow", i, rest); i++)
        if (sscanf (rest, "%63s %u", function, &n) == 2 && strcmp (function, name) == 0)
            ms = n;
    pthread_mutex_unlock (&lock);
    usleep (ms * 1000);
    return answer;
}

static CK_RV
removed_answer (void)
{
    char mode[128];
    return line ("remove-mode", 0, mode) && strcmp (mode, "session") == 0 ? CKR_SESSION_HANDLE_INVALID : CKR_DEVICE_REMOVED;
}

#define PLAIN(name, params, args) \
    static CK_RV wrap_##name params { CK_RV rv = enter (#name); return rv ? rv : real->name args; }
#define SESSION(name, params, args) \
    static CK_RV wrap_##name params { CK_RV rv = enter (#name); return rv ? rv : was_removed ? removed_answer () : real->name args; }
#define SLOT(name, params, args) \
    static CK_RV wrap_##name params { CK_RV rv = enter (#name); return rv ? rv : was_removed ? CKR_TOKEN_NOT_PRESENT : real->name args; }

typedef unsigned char *Bytes;
typedef CK_ULONG *Len;
typedef CK_SESSION_HANDLE S;
typedef CK_OBJECT_HANDLE O;

PLAIN (C_Initialize, (void *a), (a))
PLAIN (C_Finalize, (void *a), (a))
PLAIN (C_GetInfo, (CK_INFO *i), (i))
SLOT (C_GetMechanismList, (CK_SLOT_ID s, CK_MECHANISM_TYPE *l, Len n), (s, l, n))
SLOT (C_InitToken, (CK_SLOT_ID s, Bytes p, CK_ULONG n, Bytes l), (s, p, n, l))
SLOT (C_OpenSession, (CK_SLOT_ID s, CK_FLAGS f, void *a, CK_NOTIFY n, S *h), (s, f, a, n, h))
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
SESSION (C_FindObjects, (S s, O *o, CK_ULONG m, Len n), (s, o, m, n))
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
SESSION (C_SignInit, (S s, CK_MECHANISM *m, O k), (s, m, k))
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
wrap_C_GetSlotList (CK_BBOOL present, CK_SLOT_ID *list, Len n)
{
    CK_RV rv = enter ("C_GetSlotList");
    if (rv == CKR_OK && present && was_removed)
        return *n = 0, CKR_OK;
    return rv ? rv : real->C_GetSlotList (present, list, n);
}

static CK_RV
wrap_C_GetSlotInfo (CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    CK_RV rv = enter ("C_GetSlotInfo");
    if (rv == CKR_OK)
        rv = real->C_GetSlotInfo (slot, info);
    if (rv == CKR_OK && was_removed)
        info->flags &= ~CKF_TOKEN_PRESENT;
    return rv;
}

static CK_RV
wrap_C_GetTokenInfo (CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    char serial[128];
    CK_RV rv = enter ("C_GetTokenInfo");
    if (rv == CKR_OK)
        rv = was_removed ? CKR_TOKEN_NOT_PRESENT : real->C_GetTokenInfo (slot, info);
    if (rv == CKR_OK)
        info->flags |= (says ("pin-locked") ? CKF_USER_PIN_LOCKED : 0) | (says ("pin-final") ? CKF_USER_PIN_FINAL_TRY : 0)
            | (says ("pin-low") ? CKF_USER_PIN_COUNT_LOW : 0);
    if (rv == CKR_OK && line ("serial", 0, serial))
        for (size_t i = 0; i < sizeof info->serialNumber; i++)
            info->serialNumber[i] = i < strlen (serial) ? (unsigned char) serial[i] : ' ';
    return rv;
}

static CK_RV
wrap_C_GetMechanismInfo (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    char rest[128];
    CK_RV rv = enter ("C_GetMechanismInfo");
    for (unsigned i = 0; rv == CKR_OK && line ("no-mechanism", i, rest); i++)
        if (strtoul (rest, NULL, 0) == type)
            return CKR_MECHANISM_INVALID;
    return rv ? rv : was_removed ? CKR_TOKEN_NOT_PRESENT : real->C_GetMechanismInfo (slot, type, info);
}

static CK_RV
wrap_C_WaitForSlotEvent (CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved)
{
    CK_RV rv = enter ("C_WaitForSlotEvent");
    return rv ? rv : real->C_WaitForSlotEvent (flags, slot, reserved);
}

static CK_RV
wrap_C_Login (S session, CK_USER_TYPE user, Bytes pin, CK_ULONG len)
{
    CK_RV rv = enter ("C_Login");
    return rv ? rv : was_removed ? removed_answer () : says ("pin-locked") ? CKR_PIN_LOCKED : real->C_Login (session, user, pin, len);
}

/* A C_Sign that fails ends its operation (PKCS#11, C_Sign), so it is forwarded all the same and what it made thrown away. */
static CK_RV
wrap_C_Sign (S session, Bytes data, CK_ULONG n, Bytes out, Len len)
{
    CK_RV rv = enter ("C_Sign");
    if (rv == CKR_OK)
        return was_removed ? removed_answer () : real->C_Sign (session, data, n, out, len);
    if (out)
        real->C_Sign (session, data, n, out, len);
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

/* What a "lie" line makes of attribute @a; -1 where none speaks of it. */
static long
lie (CK_ATTRIBUTE *a)
{
    char rest[128], value[100];
    unsigned long type;
    if (a->type == CKA_ALWAYS_AUTHENTICATE && says ("always-authenticate"))
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
    if (rv)
        return rv;
    if (was_removed)
        return removed_answer ();
    for (CK_ULONG i = 0; i < n; i++) {
        long lied = lie (&t[i]);
        rv = lied >= 0 ? (CK_RV) lied : real->C_GetAttributeValue (session, object, &t[i], 1);
        if (first == CKR_OK)
            first = rv;
    }
    return first;
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
    CK_ATTRIBUTE match[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, label, strlen (label) } };
    CK_ULONG found = 0;
    CK_RV rv = real->C_FindObjectsInit (session, match, 2);
    if (rv == CKR_OK)
        rv = real->C_FindObjects (session, object, 1, &found);
    real->C_FindObjectsFinal (session);
    for (CK_ULONG i = 0; rv == CKR_OK && found == 1 && i < n; i++)
        if (t[i].type == CKA_LABEL || t[i].type == CKA_ID)
            rv = real->C_SetAttributeValue (session, *object, &t[i], 1);
    return found == 1 ? rv : CKR_FUNCTION_FAILED;
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
    O other_public, other_private;
    char rest[128];
    CK_RV rv = enter ("C_GenerateKeyPair");
    if (rv == CKR_OK && was_removed)
        rv = removed_answer ();
    if (rv == CKR_OK)
        rv = refused_attribute (pub, pn);
    if (rv == CKR_OK)
        rv = refused_attribute (prv, vn);
    if (rv != CKR_OK)
        return rv;
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
    return rv;
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
