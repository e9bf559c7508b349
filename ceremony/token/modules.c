/* PKCS#11 modules: loads those registered with p11-kit and one by path, initialises them, and tells everything about them, their slots and tokens.
 * They are loaded unmanaged, so that libp11, which opens the same file itself to sign with a witness's token, shares our C_Login: it then never needs the PIN. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "ceremony/token/internal.h"

#define SLOTS_MAX 1024
#define MECHANISMS_MAX 4096

static void
module_free (Module *self)
{
    if (self->initialised_by_us)
        self->f->C_Finalize (NULL);
    p11_kit_module_release (self->f);
    g_clear_pointer (&self->libraries, g_ptr_array_unref);
    g_clear_pointer (&self->described, json_decref);
    g_free (self->path);
    g_free (self);
}

/* The file that holds @f's code; p11-kit's name for it where the loader can't tell. */
static char *
module_file (CK_FUNCTION_LIST *f)
{
    Dl_info where;
    char *named = p11_kit_module_get_filename (f);
    const char *path = dladdr ((void *) f->C_Initialize, &where) && where.dli_fname && where.dli_fname[0] == '/' ? where.dli_fname : named;
    char *real = path ? realpath (path, NULL) : NULL;
    char *copy = g_strdup (real ? real : path ? path : "unknown");
    free (real);
    free (named);
    return copy;
}

static CK_RV
initialise (Module *self)
{
    char *reserved = p11_kit_config_option (self->f, "x-init-reserved");
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK, .pReserved = reserved };
    CK_RV rv = self->f->C_Initialize (&args);
    if (rv == CKR_CANT_LOCK || rv == CKR_NEED_TO_CREATE_THREADS)
        rv = self->f->C_Initialize (NULL);      /* each token is used by one thread at a time */
    free (reserved);
    self->initialised_by_us = rv == CKR_OK;
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

void
module_revive (Module *module)
{
    gboolean ours = module->initialised_by_us;
    initialise (module);
    module->initialised_by_us |= ours;
}

static void
warn (GPtrArray *warnings, const char *path, const char *why)
{
    if (warnings)
        g_ptr_array_add (warnings, g_strdup_printf ("%s: %s; tokens of this module can't be used", path, why));
}

static void
pad (CK_UTF8CHAR *text, gsize len)
{
    gsize end = strnlen ((const char *) text, len);
    memset (text + end, ' ', len - end);
}

CK_RV
module_slot_info (Module *module, CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    CK_RV rv = module->f->C_GetSlotInfo (slot, info);
    if (rv == CKR_OK) {
        pad (info->slotDescription, sizeof info->slotDescription);
        pad (info->manufacturerID, sizeof info->manufacturerID);
    }
    return rv;
}

CK_RV
module_token_info (Module *module, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = module->f->C_GetTokenInfo (slot, info);
    if (rv == CKR_OK) {
        pad (info->label, sizeof info->label);
        pad (info->manufacturerID, sizeof info->manufacturerID);
        pad (info->model, sizeof info->model);
        pad (info->serialNumber, sizeof info->serialNumber);
    }
    return rv;
}

/* A module that can't be initialised is named and passed over: one broken driver must not keep the others from working. Takes @f over. */
static gboolean
add_module (TokenModules *self, CK_FUNCTION_LIST *f, gboolean from_path, GPtrArray *before, GPtrArray *warnings)
{
    for (guint i = 0; i < self->modules->len; i++)
        if (((Module *) self->modules->pdata[i])->f == f) {
            p11_kit_module_release (f);
            return TRUE;
        }
    Module *module = g_new0 (Module, 1);
    module->f = f;
    module->from_path = from_path;
    module->path = module_file (f);

    CK_RV rv = initialise (module);
    if (rv == CKR_OK)
        rv = f->C_GetInfo (&module->info);
    CK_INFO *info = &module->info;
    pad (info->manufacturerID, sizeof info->manufacturerID);
    pad (info->libraryDescription, sizeof info->libraryDescription);
    if (rv != CKR_OK) {
        g_autofree char *why = rv == CKR_ARGUMENTS_BAD || rv == CKR_DEVICE_ERROR
            ? g_strdup_printf ("C_Initialize answered %s; it may want parameters of its own (x-init-reserved in its p11-kit configuration)", ckr_name (rv))
            : g_strdup_printf ("C_Initialize answered %s", ckr_name (rv));
        warn (warnings, module->path, why);
        module_free (module);
        return FALSE;
    }
    g_autoptr(GPtrArray) after = libraries_loaded ();
    module->libraries = libraries_of (module->path, before, after);
    g_ptr_array_add (self->modules, module);
    return TRUE;
}

static void
add_registered (TokenModules *self, GPtrArray *warnings)
{
    CK_FUNCTION_LIST **list = p11_kit_modules_load (NULL, P11_KIT_MODULE_UNMANAGED);
    if (!list) {
        if (warnings)
            g_ptr_array_add (warnings, g_strdup_printf ("p11-kit: its list of modules can't be read: %s",
                                                        p11_kit_message () ? p11_kit_message () : "unknown reason"));
        return;
    }
    for (CK_FUNCTION_LIST **f = list; *f; f++) {
        /* Stores of trusted certificates are modules too; they never hold a private key. */
        if (p11_kit_module_get_flags (*f) & P11_KIT_MODULE_TRUSTED) {
            p11_kit_module_release (*f);
            continue;
        }
        g_autoptr(GPtrArray) before = libraries_loaded ();
        add_module (self, *f, FALSE, before, warnings);
    }
    free (list);
}

static gboolean
add_path (TokenModules *self, const char *path, GPtrArray *warnings, GError **error)
{
    if (!g_path_is_absolute (path)) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "%s: the module's path must begin with /, so that it is certain which file is meant", path);
        return FALSE;
    }
    g_autoptr(GPtrArray) before = libraries_loaded ();
    CK_FUNCTION_LIST *f = p11_kit_module_load (path, P11_KIT_MODULE_UNMANAGED);
    if (f) {
        add_module (self, f, TRUE, before, warnings);
        return TRUE;
    }
    const char *why = p11_kit_message ();
    if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
        warn (warnings, path, "there is no such file");
    else
        warn (warnings, path, why ? why : "it is no PKCS#11 module");
    return TRUE;
}

TokenModules *
token_modules_load (const char *module_path, gboolean only, GPtrArray *warnings, GError **error)
{
    g_autoptr(GPtrArray) own = warnings ? g_ptr_array_ref (warnings) : g_ptr_array_new_with_free_func (g_free);
    guint first = own->len;
    g_autoptr(TokenModules) self = g_new0 (TokenModules, 1);
    self->modules = g_ptr_array_new_with_free_func ((GDestroyNotify) module_free);

    p11_kit_be_quiet ();
    if (module_path && !add_path (self, module_path, own, error))
        return NULL;
    if (!only || !module_path)
        add_registered (self, own);
    if (self->modules->len == 0) {
        const char *why = own->len > first ? own->pdata[first] : "none is registered with p11-kit";
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "no PKCS#11 module can be used: %s; install the driver of your token, or name it with --module",
                     why);
        return NULL;
    }
    return g_steal_pointer (&self);
}

void
token_modules_free (TokenModules *self)
{
    if (!self)
        return;
    g_clear_pointer (&self->modules, g_ptr_array_unref);
    g_free (self);
}

static GArray *
slots_now (Module *module, gboolean present, CK_RV *rv)
{
    GArray *slots = g_array_new (FALSE, TRUE, sizeof (CK_SLOT_ID));
    CK_ULONG n = 0;
    /* Asking without a buffer is what makes a module look for readers again (PKCS#11, C_GetSlotList). */
    for (guint attempt = 0; attempt < 5; attempt++) {
        *rv = module->f->C_GetSlotList (present ? CK_TRUE : CK_FALSE, NULL, &n);
        if (*rv != CKR_OK || n == 0 || n > SLOTS_MAX)
            break;
        g_array_set_size (slots, n);
        *rv = module->f->C_GetSlotList (present ? CK_TRUE : CK_FALSE, (CK_SLOT_ID *) (void *) slots->data, &n);
        if (*rv != CKR_BUFFER_TOO_SMALL)
            break;
    }
    g_array_set_size (slots, *rv == CKR_OK ? MIN (n, SLOTS_MAX) : 0);
    return slots;
}

GArray *
module_slots (Module *module, gboolean present, CK_RV *rv)
{
    GArray *slots = slots_now (module, present, rv);
    if (*rv != CKR_CRYPTOKI_NOT_INITIALIZED)
        return slots;
    g_array_unref (slots);
    module_revive (module);
    return slots_now (module, present, rv);
}

static json_t *
file_json (const char *path)
{
    guint8 digest[SHA256_LEN];
    json_t *object = json_object ();
    json_object_set_new (object, "path", cjson_bytes (path, strlen (path)));
    if (sha256_file (path, digest, NULL, NULL)) {
        g_autofree char *hex = hex_encode (digest, sizeof digest);
        json_object_set_new (object, "sha256", json_string (hex));
    } else
        json_object_set_new (object, "sha256", json_null ());
    return object;
}

json_t *
module_json (Module *module)
{
    if (module->described)
        return module->described;
    json_t *object = module->described = file_json (module->path);
    CK_INFO *info = &module->info;
    json_object_set_new (object, "manufacturer", padded_json (info->manufacturerID, sizeof info->manufacturerID));
    json_object_set_new (object, "description", padded_json (info->libraryDescription, sizeof info->libraryDescription));
    json_object_set_new (object, "version", version_json (info->libraryVersion));
    json_object_set_new (object, "cryptoki", version_json (info->cryptokiVersion));
    json_object_set_new (object, "registered", json_boolean (!module->from_path));
    json_t *libraries = json_array ();
    for (guint i = 0; i < module->libraries->len; i++)
        json_array_append_new (libraries, file_json (module->libraries->pdata[i]));
    json_object_set_new (object, "libraries", libraries);
    return object;
}

static json_t *
slot_info_json (const CK_SLOT_INFO *info)
{
    json_t *object = json_object ();
    json_object_set_new (object, "description", padded_json (info->slotDescription, sizeof info->slotDescription));
    json_object_set_new (object, "manufacturer", padded_json (info->manufacturerID, sizeof info->manufacturerID));
    json_object_set_new (object, "flags", flags_json (info->flags, SLOT_FLAGS));
    json_object_set_new (object, "hardware", version_json (info->hardwareVersion));
    json_object_set_new (object, "firmware", version_json (info->firmwareVersion));
    return object;
}

static json_t *
counter_json (CK_ULONG n)
{
    return n == CK_UNAVAILABLE_INFORMATION ? json_string ("unavailable") : cjson_u64 (n);
}

static json_t *
token_info_json (const CK_TOKEN_INFO *info)
{
    const struct { const char *name; CK_ULONG n; } counters[] = {
        { "sessions_max", info->ulMaxSessionCount }, { "sessions", info->ulSessionCount },
        { "rw_sessions_max", info->ulMaxRwSessionCount }, { "rw_sessions", info->ulRwSessionCount },
        { "pin_max", info->ulMaxPinLen }, { "pin_min", info->ulMinPinLen },
        { "public_memory", info->ulTotalPublicMemory }, { "public_memory_free", info->ulFreePublicMemory },
        { "private_memory", info->ulTotalPrivateMemory }, { "private_memory_free", info->ulFreePrivateMemory },
    };
    json_t *object = json_object ();
    json_object_set_new (object, "label", padded_json (info->label, sizeof info->label));
    json_object_set_new (object, "manufacturer", padded_json (info->manufacturerID, sizeof info->manufacturerID));
    json_object_set_new (object, "model", padded_json (info->model, sizeof info->model));
    json_object_set_new (object, "serial", padded_json (info->serialNumber, sizeof info->serialNumber));
    json_object_set_new (object, "hardware", version_json (info->hardwareVersion));
    json_object_set_new (object, "firmware", version_json (info->firmwareVersion));
    json_object_set_new (object, "flags", flags_json (info->flags, TOKEN_FLAGS));
    json_object_set_new (object, "pin_state", json_string (pin_state_name (info->flags)));
    for (gsize i = 0; i < G_N_ELEMENTS (counters); i++)
        json_object_set_new (object, counters[i].name, counter_json (counters[i].n));
    return object;
}

static int
by_mechanism (gconstpointer a, gconstpointer b)
{
    CK_MECHANISM_TYPE x = *(const CK_MECHANISM_TYPE *) a, y = *(const CK_MECHANISM_TYPE *) b;
    return x < y ? -1 : x > y;
}

GArray *
module_mechanisms (Module *module, CK_SLOT_ID slot, CK_RV *rv)
{
    g_autoptr(GArray) types = g_array_new (FALSE, TRUE, sizeof (CK_MECHANISM_TYPE));
    CK_ULONG n = 0;
    *rv = module->f->C_GetMechanismList (slot, NULL, &n);
    if (*rv == CKR_OK && n > 0 && n <= MECHANISMS_MAX) {
        CK_ULONG room = n;
        g_array_set_size (types, n);
        *rv = module->f->C_GetMechanismList (slot, (CK_MECHANISM_TYPE *) (void *) types->data, &n);
        g_array_set_size (types, MIN (n, room));
    }
    if (*rv != CKR_OK)
        return NULL;
    qsort (types->data, types->len, sizeof (CK_MECHANISM_TYPE), by_mechanism);
    return g_steal_pointer (&types);
}

static json_t *
mechanism_json (Module *module, CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_RV *rv)
{
    CK_MECHANISM_INFO info = { 0 };
    json_t *object = json_object ();
    *rv = module->f->C_GetMechanismInfo (slot, type, &info);
    json_object_set_new (object, "name", json_string (ckm_name (type)));
    if (*rv == CKR_OK) {
        json_object_set_new (object, "min", counter_json (info.ulMinKeySize));
        json_object_set_new (object, "max", counter_json (info.ulMaxKeySize));
        json_object_set_new (object, "flags", flags_json (info.flags, MECHANISM_FLAGS));
    } else
        json_object_set_new (object, "error", json_string (ckr_name (*rv)));
    return object;
}

/* NULL where the token can't say, or is gone meanwhile. */
static json_t *
mechanisms_json (Module *module, CK_SLOT_ID slot, CK_RV *rv)
{
    g_autoptr(GArray) types = module_mechanisms (module, slot, rv);
    g_autoptr(json_t) array = json_array ();
    for (guint i = 0; types && i < types->len; i++) {
        json_array_append_new (array, mechanism_json (module, slot, g_array_index (types, CK_MECHANISM_TYPE, i), rv));
        if (ckr_is_gone (*rv))
            return NULL;
    }
    return types ? g_steal_pointer (&array) : NULL;
}

static json_t *
algorithms_json (Module *module, CK_SLOT_ID slot)
{
    json_t *array = json_array ();
    CK_MECHANISM_TYPE mechanism;
    for (const Algorithm *a = ALGORITHMS; a->name; a++)
        if (algorithm_mechanism (module, slot, a, &mechanism))
            json_array_append_new (array, json_string (a->name));
    return array;
}

json_t *
slot_json (Module *module, CK_SLOT_ID slot, GError **error)
{
    CK_SLOT_INFO slot_info = { 0 };
    CK_TOKEN_INFO info = { 0 };
    CK_RV rv = module_slot_info (module, slot, &slot_info);
    if (rv == CKR_OK)
        rv = module_token_info (module, slot, &info);
    json_t *mechanisms = rv == CKR_OK ? mechanisms_json (module, slot, &rv) : NULL;
    if (!mechanisms) {
        ckr_fail (error, rv, "reading what the token says of itself");
        return NULL;
    }
    g_autofree char *uri = uri_of_token (&info);
    json_t *object = json_object ();
    json_object_set (object, "module", module_json (module));
    json_object_set_new (object, "slot", slot_info_json (&slot_info));
    json_object_set_new (object, "token", token_info_json (&info));
    json_object_set_new (object, "uri", json_string (uri));
    json_object_set_new (object, "mechanisms", mechanisms);
    json_object_set_new (object, "algorithms", algorithms_json (module, slot));
    return object;
}

json_t *
token_modules_list (TokenModules *self, GError **error)
{
    g_autoptr(json_t) array = json_array ();
    for (guint i = 0; i < self->modules->len; i++) {
        Module *module = self->modules->pdata[i];
        CK_RV rv;
        g_autoptr(GArray) slots = module_slots (module, TRUE, &rv);
        if (rv != CKR_OK && !ckr_is_gone (rv)) {
            ckr_fail (error, rv, "%s: listing its slots", module->path);
            return NULL;
        }
        for (guint j = 0; j < slots->len; j++) {
            json_t *object = slot_json (module, g_array_index (slots, CK_SLOT_ID, j), NULL);
            if (object)             /* pulled out since the list was made */
                json_array_append_new (array, object);
        }
    }
    return g_steal_pointer (&array);
}
