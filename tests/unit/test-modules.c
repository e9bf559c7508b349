/* The list of suitable modules: the one that comes with the program can be read, and rows match by vendor, model, serial number, firmware and day. */
#include <string.h>
#include "ceremony/base/clock.h"
#include "ceremony/verify/modules.h"

static const char rows[] =
    "modules:\n"
    "  - {vendor: Acme*, model: \"Box ?\", firmware_from: \"1.9\", firmware_to: \"1.10\", scheme: FIPS 140-2, certificate: \"1\", level: \"2\", state: active,\n"
    "     valid_from: 2020-01-01, historical_from: 2026-09-22, source: test}\n"
    "  - {vendor: Acme*, model: \"Box ?\", firmware_from: \"1.10\", firmware_to: \"1.10\", scheme: Common Criteria, level: EAL4+, state: active, source: test}\n"
    "  - {vendor: Acme*, model: Chest, serials: \"77*\", scheme: FIPS 140-3, level: \"3\", state: active, source: test}\n"
    "  - {vendor: Bolt, model: \"*\", scheme: FIPS 140-2, level: \"1\", state: revoked, source: test}\n";

static gint64
day (const char *text)
{
    gint64 ms;
    g_autofree char *moment = g_strconcat (text, "T12:00:00.000Z", NULL);
    g_assert_true (clock_parse (moment, &ms, NULL));
    return ms;
}

static ModuleList *
list (const char *text)
{
    g_autoptr (GError) error = NULL;
    ModuleList *self = modules_parse (text, strlen (text), &error);
    g_assert_no_error (error);
    return self;
}

static void
test_match (void)
{
    static const struct { const char *vendor, *model, *serial, *firmware, *day, *expected; } cases[] = {
        { "Acme Inc", "BOX 1", NULL, "1.9.2", "2024-05-01", "FIPS 140-2 active" },
        { "acme", "Box 1", "5", "1.9", "2026-09-21", "FIPS 140-2 active" },
        { "acme", "Box 1", "5", "1.9", "2026-09-22", "FIPS 140-2 historical" },
        { "Acme", "Box 2", NULL, "1.10", "2026-11-01", "Common Criteria active" },
        { "Acme", "Box 2", NULL, "1.10.7", "2026-11-01", "Common Criteria active" },
        { "Acme", "Chest", "7712", NULL, "2026-11-01", "FIPS 140-3 active" },
        { "Bolt", "anything", NULL, NULL, "2026-11-01", "FIPS 140-2 revoked" },
        { "Acme", "Box 1", NULL, "1.8", "2024-05-01", "!not with firmware 1.8" },
        { "Acme", "Box 1", NULL, "1.11", "2024-05-01", "!not with firmware 1.11" },
        { "Acme", "Box 1", NULL, NULL, "2024-05-01", "!isn't known" },
        { "Acme", "Box 1", NULL, "1.9", "2019-05-01", "!only after that day" },
        { "Acme", "Box 12", NULL, "1.9", "2024-05-01", "!none like" },
        { "Acme", "Chest", "88", NULL, "2024-05-01", "!not serial number 88" },
        { "Acme", NULL, NULL, NULL, "2024-05-01", "!none like" },
        { "Nobody", "Box 1", NULL, "1.9", "2024-05-01", "!no module of Nobody" },
        { NULL, NULL, NULL, NULL, "2024-05-01", "!isn't known" },
        { "Acme\xff", "Box \xff", NULL, "\xff", "2024-05-01", "!not with firmware" },
    };
    g_autoptr (ModuleList) self = list (rows);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        ModuleState state = MODULE_REVOKED;
        g_autofree char *reason = NULL;
        const Module *m = modules_match (self, cases[i].vendor, cases[i].model, cases[i].serial, cases[i].firmware, day (cases[i].day), &state, &reason);
        g_autofree char *got = m ? g_strdup_printf ("%s %s", m->scheme, module_state_name (state)) : g_strconcat ("!", reason, NULL);
        if (cases[i].expected[0] == '!' ? m || !strstr (reason, cases[i].expected + 1) : g_strcmp0 (got, cases[i].expected) != 0)
            g_error ("case %u: %s (expected %s)", i, got, cases[i].expected);
    }
}

static void
test_suits (void)
{
    static const struct { const char *scheme, *level; int fips; gboolean suits; } cases[] = {
        { "FIPS 140-2", "2", 2, TRUE }, { "FIPS 140-2", "1", 2, FALSE }, { "FIPS 140-3", "2", 3, FALSE }, { "FIPS 140-3", "3", 3, TRUE },
        { "Common Criteria", "EAL4+", 3, TRUE }, { "Common Criteria", "EAL4", 2, FALSE }, { "Common Criteria", "EAL5", 2, TRUE },
        { "Common Criteria", "EAL2+", 2, FALSE }, { "Common Criteria", "PP", 2, FALSE },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        Module m = { .scheme = (char *) cases[i].scheme, .level = (char *) cases[i].level };
        g_assert_cmpint (module_suits (&m, cases[i].fips), ==, cases[i].suits);
    }
}

/* What the program brings, judged on a day after FIPS 140-2's end. */
static void
test_shipped (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (ModuleList) self = modules_load ("scripts/modules.yaml", &error);
    g_assert_no_error (error);
    static const struct { const char *vendor, *model, *firmware; ModuleState state; } cases[] = {
        { "Yubico", "YubiKey 5C Nano FIPS", "5.4.3", MODULE_HISTORICAL }, { "Yubico (www.yubico.com)", "YubiKey 5 FIPS", "5.7.4", MODULE_ACTIVE },
        { "Yubico", "YubiHSM 2 FIPS", "2.2.0", MODULE_HISTORICAL }, { "Thales", "Luna K7", "7.8.4", MODULE_ACTIVE },
        { "Thales", "Luna K7", "7.7.0", MODULE_ACTIVE }, { "Google Cloud HSM", "Marvell LiquidSecurity", NULL, MODULE_HISTORICAL },
        { "Securosys", "Primus HSM", "3.1.0", MODULE_ACTIVE },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        ModuleState state;
        g_autofree char *reason = NULL;
        const Module *m = modules_match (self, cases[i].vendor, cases[i].model, NULL, cases[i].firmware, day ("2026-11-24"), &state, &reason);
        if (!m || state != cases[i].state || !module_suits (m, 2))
            g_error ("case %u: %s", i, m ? module_state_name (state) : reason);
        json_t *json = module_row_json (m, state);
        g_assert_true (g_str_has_prefix (json_string_value (json_object_get (json, "source")), "https://"));
        json_decref (json);
    }
    g_assert_null (modules_match (self, "Yubico", "YubiKey 5C", NULL, "5.4.3", day ("2026-11-24"), NULL, NULL));
    g_assert_null (modules_match (self, "SoftHSM project", "SoftHSM v2", NULL, "2.6", day ("2026-11-24"), NULL, NULL));
}

static void
test_bad (void)
{
    static const char row[] = "modules:\n  - {vendor: a, model: b, scheme: FIPS 140-2, level: \"2\", state: active, source: s%s}\n";
    static const char *const extra[] = { ", colour: red", ", valid_from: yesterday", ", historical_from: 2026-02-30", ", vendor: twice" };
    static const char *const whole[] = { "", "modules: 5\n", "rows: []\n", "modules:\n  - {vendor: a}\n",
                                         "modules:\n  - {vendor: a, model: b, scheme: none, level: \"2\", state: active, source: s}\n",
                                         "modules:\n  - {vendor: a, model: b, scheme: FIPS 140-2, level: \"2\", state: maybe, source: s}\n" };
    for (guint i = 0; i < G_N_ELEMENTS (extra) + G_N_ELEMENTS (whole); i++) {
        g_autoptr (GString) text = g_string_new (NULL);
        g_autoptr (GError) error = NULL;
        if (i < G_N_ELEMENTS (extra)) {
            g_autofree char *start = g_strndup (row, strstr (row, "%s") - row);
            g_string_append_printf (text, "%s%s}\n", start, extra[i]);
        } else {
            g_string_assign (text, whole[i - G_N_ELEMENTS (extra)]);
        }
        g_autoptr (ModuleList) self = modules_parse (text->str, text->len, &error);
        g_assert_null (self);
        g_assert_nonnull (error);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/modules/match", test_match);
    g_test_add_func ("/modules/suits", test_suits);
    g_test_add_func ("/modules/shipped", test_shipped);
    g_test_add_func ("/modules/bad", test_bad);
    return g_test_run ();
}
