/* Tokens by RFC 7512 URI: what may stand in one, how ours are written, and which token one means. Never by a slot's number, which changes when
 * a reader is plugged in elsewhere. */
#include <stdlib.h>
#include <string.h>
#include "ceremony/token/internal.h"

static gboolean
refuse (GError **error, const char *text, const char *why)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "%s: %s", text, why);
    return FALSE;
}

static gboolean
names_just_a_token (P11KitUri *uri, const char *shown, GError **error)
{
    CK_ULONG n = 0;
    p11_kit_uri_get_attributes (uri, &n);
    if (p11_kit_uri_get_pin_value (uri) || p11_kit_uri_get_pin_source (uri))
        return refuse (error, "token URI", "it holds a PIN or says where one is, and URIs end up in logs; leave pin-value and pin-source out, the program asks");
    if (p11_kit_uri_get_module_path (uri) || p11_kit_uri_get_module_name (uri))
        return refuse (error, shown, "module-path and module-name can't be in a token's URI; name the module with --module");
    if (p11_kit_uri_get_slot_id (uri) != (CK_SLOT_ID) -1)
        return refuse (error, shown, "slot numbers change when a reader moves; select the token by token= (its label) and serial=");
    if (n > 0)
        return refuse (error, shown, "it names an object (object, id or type); name just the token");
    if (p11_kit_uri_any_unrecognized (uri))
        return refuse (error, shown, "it has a part that isn't known here; use token, serial, manufacturer, model, slot-description");
    return TRUE;
}

P11KitUri *
uri_parse (const char *text, GError **error)
{
    g_autoptr(P11KitUri) uri = p11_kit_uri_new ();
    int result = p11_kit_uri_parse (text, P11_KIT_URI_FOR_ANY, uri);
    if (result != P11_KIT_URI_OK) {
        /* The text isn't repeated where it may hold a PIN. */
        refuse (error, strstr (text, "pin-") ? "token URI" : text, "it is no PKCS#11 URI (RFC 7512), such as pkcs11:token=My%20token;serial=0123");
        return NULL;
    }
    return names_just_a_token (uri, text, error) ? g_steal_pointer (&uri) : NULL;
}

char *
uri_of_token (const CK_TOKEN_INFO *info)
{
    g_autoptr(P11KitUri) uri = p11_kit_uri_new ();
    CK_TOKEN_INFO *part = p11_kit_uri_get_token_info (uri);
    memcpy (part->label, info->label, sizeof part->label);
    memcpy (part->serialNumber, info->serialNumber, sizeof part->serialNumber);
    memcpy (part->manufacturerID, info->manufacturerID, sizeof part->manufacturerID);
    memcpy (part->model, info->model, sizeof part->model);
    char *text = NULL;
    if (p11_kit_uri_format (uri, P11_KIT_URI_FOR_TOKEN, &text) != P11_KIT_URI_OK)
        return g_strdup ("pkcs11:");
    char *copy = g_strdup (text);
    free (text);
    return copy;
}

const char *
pin_state_name (CK_FLAGS flags)
{
    if (!(flags & CKF_TOKEN_INITIALIZED) || !(flags & CKF_USER_PIN_INITIALIZED))
        return "not-initialised";
    if (flags & CKF_USER_PIN_LOCKED)
        return "locked";
    if (flags & CKF_USER_PIN_FINAL_TRY)
        return "final-try";
    if (flags & CKF_USER_PIN_COUNT_LOW)
        return "count-low";
    return flags & CKF_USER_PIN_TO_BE_CHANGED ? "to-be-changed" : "ok";
}
