/* Evidence in a ceremony: files that are attached, the device's own evidence from its certificate objects and from files, whatever people do wrong meanwhile, and
 * after an interruption. */
#include "ceremony/attest/anchors.h"
#include "ceremony/attest/attest.h"
#include "ceremony/token/evidence.h"
#include <openssl/pem.h>
#include "tests/unit/ceremony-case.c"

static char *report, *other, *rubbish;
static const char *script_lines;                /* further steps, before the unplugging */

static void
write_script (void)
{
    g_autofree char *text = NULL, *name = g_build_filename (dir, "evidence.yaml", NULL);
    char *at;

    g_assert_true (g_file_get_contents ("scripts/code-signing.yaml", &text, NULL, NULL));
    at = strstr (text, "  - id: unplug\n");
    g_assert_nonnull (at);
    g_autofree char *head = g_strndup (text, (gsize) (at - text)), *all = g_strconcat (head, script_lines, at, NULL);
    g_assert_true (g_file_set_contents (name, all, -1, NULL));
    g_free (script);
    script = g_steal_pointer (&name);
}

static char *
file_with (const char *name, const char *text)
{
    char *path = g_build_filename (dir, name, NULL);

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    return path;
}

static void
check_file (Case *c, const char *folder, const json_t *named)
{
    const char *name = cjson_str (named, "name", NULL), *expected = cjson_str (named, "sha256", NULL);
    g_autofree char *path = g_build_filename (c->folder, folder, name, NULL), *data = NULL, *hash = NULL;
    gsize len;

    g_assert_true (g_file_get_contents (path, &data, &len, NULL));
    hash = sha256_hex (data, len);
    g_assert_cmpstr (hash, ==, expected);
}

static char *
bundle_of (Case *c)
{
    g_autofree char *file = g_strconcat (c->id, ".asice", NULL);

    return g_build_filename (c->folder, file, NULL);
}

/* ── attach ── */

typedef struct { Case base; guint asked, described; gboolean interrupt; } Attaching;

/* A file that isn't there, the report, another file of that name, then no more; interrupted in between where that is asked. */
static gboolean
answer_attach (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    Attaching *self = data;
    const char *paths[] = { "/nonexistent/report.txt", report, other, "" };

    if (strcmp (question->id, "attach.file") == 0)
        scripted_set_text (view, paths[self->asked < 3 ? self->asked++ : 3]);
    else if (strcmp (question->id, "attach.description") == 0 && ++self->described == 2 && self->interrupt) {
        self->interrupt = FALSE;
        self->asked--;
        run_interrupt (self->base.run);
        view->silent = TRUE;
        return TRUE;
    } else if (strcmp (question->id, "attach.description") == 0)
        scripted_set_text (view, "the auditor's report");
    else
        return FALSE;
    return TRUE;
}

static void
check_attached (Case *c)
{
    const char *const names[] = { "report.txt", "2-report.txt" };
    guint n = 0;

    for (guint64 seq = 0; seq < journal_size (c->journal); seq++) {
        const Event *event = journal_event (c->journal, seq);
        if (strcmp (event->type, "file.attached") != 0)
            continue;
        g_assert_cmpuint (n, <, 2);
        g_assert_cmpstr (cjson_str (event->data, "name", NULL), ==, names[n++]);
        g_assert_cmpstr (cjson_str (event->data, "description", NULL), ==, "the auditor's report");
        check_file (c, "attachments", event->data);
    }
    g_assert_cmpuint (n, ==, 2);
}

static void
attach_ceremony (gboolean interrupt)
{
    Attaching self = { .interrupt = interrupt };
    g_autofree char *bundle = NULL;

    script_lines = "  - id: files\n    title: Attach\n    act: attach\n    do: Attach the report.\n    confirm: [witness]\n\n";
    write_script ();
    begin (&self.base, answer_attach);
    go_on (&self.base);
    if (interrupt) {
        g_assert_cmpint (self.base.outcome, ==, RUN_INTERRUPTED);
        resume (&self.base, answer_attach);
        go_on (&self.base);
    }
    g_assert_no_error (self.base.error);
    g_assert_cmpint (self.base.outcome, ==, RUN_COMPLETED);
    g_assert_true (interrupt || scripted_was_said (self.base.view, "/nonexistent/report.txt"));
    g_assert_true (interrupt || scripted_was_said (self.base.view, "no evidence of the vendor"));
    look (&self.base);
    check_attached (&self.base);
    g_assert_cmpuint (json_array_size (json_object_get (last (&self.base, "attestation.read")->data, "files")), ==, 0);
    bundle = bundle_of (&self.base);
    verify_with (bundle, VERIFY_NO_VIDEO, FALSE);
    end (&self.base);
}

static void test_attach (void) { attach_ceremony (FALSE); }
static void test_attach_interrupted (void) { attach_ceremony (TRUE); }

/* Files that the script names, under one description. */
static void
test_attach_scripted (void)
{
    Case c = { 0 };
    g_autofree char *lines = g_strdup_printf ("  - id: files\n    title: Attach\n    act: attach\n    with:\n      files: %s, %s\n      description: the auditor's report\n\n", report, other);

    script_lines = lines;
    write_script ();
    begin (&c, NULL);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_cmpuint (scripted_times_asked (c.view, "attach.file") + scripted_times_asked (c.view, "attach.description"), ==, 0);
    look (&c);
    check_attached (&c);
    end (&c);
}

/* ── attest ── */

typedef struct { Case base; guint asked; gboolean with_certificate, interrupt; const char *path; } Attesting;

/* A certificate of the new key, self-signed by a software key of no account, and one of another key: only the first concerns the key. */
static void
put_certificates (Case *c)
{
    g_autofree char *public = g_build_filename (dir, "new.pub", NULL), *ca = g_build_filename (dir, "ca.key", NULL), *cert = g_build_filename (dir, "new.crt", NULL);
    g_autofree char *der = g_build_filename (dir, "new.der", NULL), *ca_cert = g_build_filename (dir, "ca.crt", NULL), *ca_der = g_build_filename (dir, "ca.der", NULL);
    FILE *file = fopen (public, "w");

    g_assert_true (PEM_write_PUBKEY (file, token_key_public (c->run->key)));
    fclose (file);
    g_assert_true (spawn ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca, "-out", ca_cert, "-subj", "/CN=Nobody Root", "-days",
                          "3", NULL));
    g_assert_true (spawn ("openssl", "x509", "-new", "-force_pubkey", public, "-CA", ca_cert, "-CAkey", ca, "-subj", "/CN=New key", "-days", "3", "-out", cert, NULL));
    g_assert_true (spawn ("openssl", "x509", "-in", cert, "-outform", "DER", "-out", der, NULL));
    g_assert_true (spawn ("openssl", "x509", "-in", ca_cert, "-outform", "DER", "-out", ca_der, NULL));
    const char *files[][2] = { { der, "01" }, { ca_der, "02" } };
    for (guint i = 0; i < 2; i++)
        g_assert_true (spawn ("pkcs11-tool", "--module", SOFTHSM, "--token-label", c->token, "--login", "--pin", PIN, "--write-object", files[i][0], "--type", "cert", "--id", files[i][1],
                              "--label", files[i][1], NULL));
}

static gboolean
answer_attest (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    Attesting *self = data;

    if (strcmp (question->id, "request") == 0 && self->with_certificate)
        put_certificates (&self->base);
    if (strcmp (question->id, "attest.file") != 0)
        return FALSE;
    if (self->interrupt) {
        self->interrupt = FALSE;
        run_interrupt (self->base.run);
        view->silent = TRUE;
        return TRUE;
    }
    scripted_set_text (view, self->asked++ == 0 && self->path ? self->path : "");
    return TRUE;
}

static const json_t *
attested (Attesting *self, guint files)
{
    Case *c = &self->base;
    const Event *event;
    const json_t *list, *file;
    gsize i;

    script_lines = "";
    write_script ();
    begin (c, answer_attest);
    go_on (c);
    if (c->outcome == RUN_INTERRUPTED) {
        resume (c, answer_attest);
        go_on (c);
    }
    g_assert_no_error (c->error);
    g_assert_cmpint (c->outcome, ==, RUN_COMPLETED);
    look (c);
    g_assert_cmpuint (count (c, "attestation.read"), ==, 1);
    event = last (c, "attestation.read");
    list = json_object_get (event->data, "files");
    g_assert_cmpuint (json_array_size (list), ==, files);
    json_array_foreach (list, i, file)
        check_file (c, "key/attestation", file);
    return json_object_get (event->data, "result");
}

/* What can't be read as anything is left away, and said. */
static void
test_attest_rubbish (void)
{
    Attesting self = { .path = rubbish };

    attested (&self, 0);
    g_assert_true (scripted_was_said (self.base.view, "left away"));
    end (&self.base);
}

/* The certificate of the key and its issuer are taken from the token, after an interruption too; nobody's root makes no attestation. */
static void
test_attest_certificates (void)
{
    Attesting self = { .with_certificate = TRUE, .interrupt = TRUE };
    const json_t *result = attested (&self, 2);

    g_assert_cmpstr (cjson_str (result, "verdict", NULL), ==, "refused");
    g_assert_cmpuint (scripted_times_asked (self.base.view, "attest.refused"), ==, 1);
    end (&self.base);
}

/* ── lists of vendors' keys ── */

static void
test_anchors (void)
{
    g_autofree char *folder = g_build_filename (dir, "vendor", NULL), *file = g_build_filename (folder, "own.yaml", NULL), *broken = g_build_filename (folder, "z.yaml", NULL);
    g_autofree char *pem = g_build_filename (folder, "key.pem", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(AttestAnchors) alone = attest_anchors_load ("scripts/vendors.yaml", &error), both = NULL;
    const AttestAnchor *first = alone->rows->pdata[0];
    g_autofree char *spki = base64_encode (g_bytes_get_data (first->spki, NULL), g_bytes_get_size (first->spki));
    g_autofree char *text = g_strdup_printf ("anchors:\n  - {vendor: Own, use: tpm2-ak, name: \"CN=AK\", spki: \"%s\", source: own}\ndeny:\n  - {use: tpm2, reason: none}\n", spki);

    g_assert_no_error (error);
    g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    g_assert_true (g_file_set_contents (file, text, -1, NULL) && g_file_set_contents (pem, "not yaml", -1, NULL));
    both = attest_anchors_load_with ("scripts/vendors.yaml", folder, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (both->rows->len, ==, alone->rows->len + 1);
    g_assert_cmpuint (both->denies->len, ==, alone->denies->len + 1);
    g_assert_cmpstr (((const AttestAnchor *) both->rows->pdata[alone->rows->len])->vendor, ==, "Own");
    g_clear_pointer (&both, attest_anchors_free);
    both = attest_anchors_load_with ("scripts/vendors.yaml", "/nonexistent", &error);
    g_assert_no_error (error);
    g_assert_cmpuint (both->rows->len, ==, alone->rows->len);
    g_assert_true (g_file_set_contents (broken, "anchors: 1\n", -1, NULL));
    g_assert_null (attest_anchors_load_with ("scripts/vendors.yaml", folder, &error));
    g_assert_nonnull (strstr (error->message, "z.yaml"));
}

/* ── which modules' attributes are text ── */

static void
test_modules (void)
{
    static const struct { const char *text; gboolean is; } table[] = {
        { "{\"path\":\"/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so\"}", TRUE },
        { "{\"path\":\"/opt/a.so\",\"description\":\"TPM2.0 Cryptoki\"}", TRUE },
        { "{\"path\":\"/opt/a.so\",\"libraries\":[{\"path\":\"/usr/lib/libtss2-esys.so.0\",\"sha256\":\"\"}]}", TRUE },
        { "{\"path\":\"/usr/lib/softhsm/libsofthsm2.so\",\"description\":\"Implementation of PKCS11\",\"libraries\":[{\"path\":\"/usr/lib/libcrypto.so.3\"}]}", FALSE },
        { "{\"path\":null,\"libraries\":7}", FALSE }, { "{}", FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autoptr(json_t) module = json_loads (table[i].text, 0, NULL);
        g_assert_true (token_module_is_tpm (module) == table[i].is);
    }
    g_assert_false (token_module_is_tpm (NULL));
}

int
main (int argc, char **argv)
{
    int status;

    g_test_init (&argc, &argv, NULL);
    set_up ();
    g_autofree char *folder = g_build_filename (dir, "else", NULL);
    g_mkdir (folder, 0700);
    report = file_with ("report.txt", "a report\n");
    other = file_with ("else/report.txt", "another report\n");
    rubbish = file_with ("rubbish.der", "\x30\x82\x01");
    g_test_add_func ("/evidence/modules", test_modules);
    g_test_add_func ("/evidence/anchors", test_anchors);
    g_test_add_func ("/evidence/attach", test_attach);
    g_test_add_func ("/evidence/attach/interrupted", test_attach_interrupted);
    g_test_add_func ("/evidence/attach/scripted", test_attach_scripted);
    g_test_add_func ("/evidence/attest/certificates", test_attest_certificates);
    g_test_add_func ("/evidence/attest/rubbish", test_attest_rubbish);
    status = g_test_run ();
    return tear_down (status);
}
