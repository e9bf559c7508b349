/* Timestamps: asked for from a TSA made of `openssl ts` behind a small HTTP server on this machine; and judged as hostile input. */
#include "ceremony/base/child.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/cades.h"
#include "ceremony/bundle/tsa.h"
#include <gio/gio.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define STEP 29                             /* unwinding the stack at each malloc takes its time */
#else
#define STEP 1
#endif

static char *folder, *base;                 /* of the files; of the server's URLs */
static const char text[] = "a checkpoint's note\n";

static int
shell (const char *script)
{
    g_autoptr (GBytes) output = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *log = g_build_filename (folder, "log", NULL), *full = g_strdup_printf ("set -e; cd %s; %s", folder, script);
    int status = -1;
    child_run ((const char *[]) { "/bin/sh", "-c", full, NULL }, -1, log, 60000, 1024 * 1024, &output, &status, &error);
    g_assert_no_error (error);
    return status;
}

static const char setup[] =
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=TSA-CA -days 30 2>/dev/null;"
    "tsa() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj /CN=$1 2>/dev/null;"
    "  printf \"$2\" > $1.ext; openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile $1.ext -days 20 -out $1.crt 2>/dev/null;"
    "  printf '[tsa]\\ndefault_tsa=t\\n[t]\\nserial=%s/serial\\nsigner_cert=%s/'$1'.crt\\nsigner_key=%s/'$1'.key\\ncerts=%s/ca.crt\\nsigner_digest=sha256\\n"
    "default_policy=1.2.3.4.1\\ndigests=sha256\\naccuracy=secs:1\\ness_cert_id_chain=no\\ness_cert_id_alg=sha256\\nordering=no\\ntsa_name=no\\nclock_precision_digits=3\\n' $PWD $PWD $PWD $PWD > $1.cnf; };"
    "tsa good 'extendedKeyUsage=critical,timeStamping\\n'; tsa plain 'extendedKeyUsage=timeStamping\\n';"
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout top.key -out top.crt -subj /CN=Top -days 30 2>/dev/null; openssl req -new -key ca.key -subj /CN=TSA-CA -out ca.csr;"
    "printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext; openssl x509 -req -in ca.csr -CA top.crt -CAkey top.key -CAcreateserial -extfile ca.ext -days 20 -out under.crt 2>/dev/null;"
    "sed 's/ca.crt/under.crt/' good.cnf > hanging.cnf; cat under.crt top.crt > two.crt; sed 's/ca.crt/two.crt/' good.cnf > whole.cnf;"
    "sed 's/ca.crt/under.crt/; s/chain=no/chain=yes/' good.cnf > named.cnf; echo 01 > serial";

/* Each path is another kind of server. */
static const char server[] =
    "import http.server,subprocess,sys,os\n"
    "d=sys.argv[1]\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def log_message(self,*a): pass\n"
    "    def do_POST(self):\n"
    "        q=self.rfile.read(int(self.headers['Content-Length'])); p=self.path.strip('/'); kind='application/timestamp-reply'\n"
    "        assert self.headers['Content-Type']=='application/timestamp-query'\n"
    "        f=d+'/q-'+str(os.getpid()); open(f,'wb').write(q)\n"
    "        if p in ('good','hanging','whole','named'):\n"
    "            r=subprocess.run(['openssl','ts','-reply','-config',d+'/'+p+'.cnf','-queryfile',f],capture_output=True).stdout\n"
    "        elif p=='old': r=open(d+'/old.tsr','rb').read()\n"
    "        elif p=='rubbish': r=b'\\x30\\x03\\x02\\x01\\x00'\n"
    "        elif p=='refused': r=bytes.fromhex('30053003020102')\n"
    "        elif p=='huge': r=b'\\x30\\x84\\x7f\\xff\\xff\\xff'+b'x'*400000\n"
    "        elif p=='html': r=b'<html>'; kind='text/html'\n"
    "        else: self.send_error(404); return\n"
    "        self.send_response(200); self.send_header('Content-Type',kind); self.send_header('Content-Length',str(len(r))); self.end_headers(); self.wfile.write(r)\n"
    "s=http.server.HTTPServer(('127.0.0.1',0),H); print(s.server_port,flush=True); s.serve_forever()\n";

static GPid
start_server (void)
{
    g_autofree char *path = g_build_filename (folder, "server.py", NULL), *python = g_find_program_in_path ("python3");
    char port[16] = "";
    Child child;
    g_autoptr (GError) error = NULL;
    g_assert_true (file_write (path, server, strlen (server), 0600, FALSE, NULL));
    g_assert_true (child_start ((const char *[]) { python, path, folder, NULL }, CHILD_OUTPUT | CHILD_DIES_WITH_US, -1, NULL, &child, &error));
    g_assert_no_error (error);
    gssize n = read (child.out, port, sizeof port - 1);
    g_assert_cmpint (n, >, 1);
    base = g_strdup_printf ("http://127.0.0.1:%d", atoi (port));
    close (child.out);
    return child.pid;
}

static GBytes *
ask (const char *path, GError **error)
{
    g_autofree char *url = g_strdup_printf ("%s/%s", base, path);
    return tsa_request (url, text, strlen (text), 5000, error);
}

static gboolean
verifies (const void *data, gsize len)
{
    return tsa_verify (data, len, FALSE, text, strlen (text), NULL, NULL, NULL);
}

static void
test_request (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) response = ask ("good", &error);
    g_assert_no_error (error);
    gint64 when = 0;
    X509 *signer = NULL;
    gsize len;
    const void *data = g_bytes_get_data (response, &len);
    g_assert_true (tsa_verify (data, len, FALSE, text, strlen (text), &when, &signer, &error));
    g_assert_no_error (error);
    g_assert_cmpint (ABS (when - g_get_real_time () / 1000), <, 60000);
    g_autofree char *subject = signer_subject (signer);
    g_assert_cmpstr (subject, ==, "CN=good");
    X509_free (signer);
    g_assert_false (tsa_verify (data, len, FALSE, "other", 5, &when, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    /* Stock openssl takes it too. */
    g_autofree char *tsr = g_build_filename (folder, "old.tsr", NULL), *txt = g_build_filename (folder, "text", NULL);
    g_assert_true (file_write (tsr, data, len, 0600, TRUE, NULL));
    g_assert_true (file_write (txt, text, strlen (text), 0600, TRUE, NULL));
    g_assert_cmpint (shell ("openssl ts -verify -in old.tsr -data text -CAfile ca.crt 2>>log >>log"), ==, 0);
}

static void
test_every_byte (void)
{
    g_autoptr (GBytes) response = ask ("good", NULL);
    gsize len;
    const guint8 *data = g_bytes_get_data (response, &len);
    g_autofree guint8 *changed = g_memdup2 (data, len);
    static const guint8 masks[] = { 0x01, 0x80, 0xff };
    g_assert_true (verifies (data, len));
    for (gsize i = 0; i < len; i += STEP)
        for (guint m = 0; m < G_N_ELEMENTS (masks); m++) {
            changed[i] = data[i] ^ masks[m];
            if (verifies (changed, len))
                g_error ("byte %" G_GSIZE_FORMAT " xor %02x wasn't seen", i, masks[m]);
            changed[i] = data[i];
        }
    for (gsize n = 0; n < len; n += 7 * STEP)
        g_assert_false (verifies (data, n));
}

static void
expect_refused (const char *path, int code)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) response = ask (path, &error);
    g_assert_null (response);
    if (error->domain != BASE_ERROR || (code >= 0 && error->code != code))
        g_error ("%s: %d %s", path, error->code, error->message);
}

/* An intermediate certificate that nothing binds is left out; with its root, or named in the signed attributes, it stays. */
static void
test_chains (void)
{
    static const struct { const char *path; gboolean has_intermediate; } cases[] = { { "hanging", FALSE }, { "whole", TRUE }, { "named", TRUE } };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (GBytes) response = ask (cases[i].path, &error);
        g_assert_no_error (error);
        const guint8 *p = g_bytes_get_data (response, NULL);
        TS_RESP *parsed = d2i_TS_RESP (NULL, &p, (long) g_bytes_get_size (response));
        g_assert_cmpint (sk_X509_num (TS_RESP_get_token (parsed)->d.sign->cert) > 1, ==, cases[i].has_intermediate);
        TS_RESP_free (parsed);
    }
}

/* The same time signed again as CMS, by the authority and by one whose EKU isn't critical. */
static void
test_purpose (void)
{
    static const char *const names[] = { "good", "plain" };
    g_assert_cmpint (shell ("openssl ts -reply -in old.tsr -token_out -out token 2>>log; openssl cms -verify -noverify -inform DER -in token -out info 2>>log;"
                            "for n in good plain; do openssl cms -sign -binary -nodetach -outform DER -econtent_type id-smime-ct-TSTInfo -signer $n.crt -inkey $n.key"
                            "  -md sha256 -cades -nosmimecap -in info -out $n.token 2>>log; done"), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *file = g_strconcat (names[i], ".token", NULL), *path = g_build_filename (folder, file, NULL);
        g_autoptr (GBytes) token = file_read (path, 1 << 20, NULL);
        g_autoptr (GError) error = NULL;
        gint64 when;
        gboolean ok = tsa_verify (g_bytes_get_data (token, NULL), g_bytes_get_size (token), TRUE, text, strlen (text), &when, NULL, &error);
        if (ok != (i == 0))
            g_error ("%s: %s", names[i], error != NULL ? error->message : "accepted");
    }
}

static void
test_refused (void)
{
    expect_refused ("old", BASE_ERROR_REFUSED);     /* another request's answer */
    expect_refused ("rubbish", BASE_ERROR_FORMAT);
    expect_refused ("refused", -1);
    expect_refused ("huge", BASE_ERROR_CRYPTO);
    expect_refused ("html", BASE_ERROR_CRYPTO);
    expect_refused ("absent", BASE_ERROR_CRYPTO);
    g_autoptr (GError) error = NULL;
    g_assert_null (tsa_request ("ftp://x/", text, 1, 1000, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_USAGE);
    g_clear_error (&error);
    g_assert_null (tsa_request ("http://127.0.0.1:1/", text, 1, 1000, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_CRYPTO);
}

/* A server that takes the connection and says nothing ends at the time limit. */
static void
test_silent (void)
{
    g_autoptr (GSocketListener) listener = g_socket_listener_new ();
    guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
    g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u/", port);
    g_autoptr (GError) error = NULL;
    gint64 began = g_get_monotonic_time ();
    g_assert_null (tsa_request (url, text, 1, 1000, &error));
    g_assert_nonnull (error);
    g_assert_cmpint (g_get_monotonic_time () - began, <, 4000000);
}

static void
test_cades_t (void)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    g_autoptr (GError) error = NULL;
    g_assert_true (signer_generate ("Witness", 10, &key, &cert, &error));
    g_autoptr (Signer) signer = g_new0 (Signer, 1);
    signer->key = key;
    signer->cert = cert;
    signer->chain = sk_X509_new_null ();
    g_autoptr (GBytes) plain = cades_sign (signer, text, strlen (text), &error);
    g_autofree char *url = g_strdup_printf ("%s/good", base);
    g_autoptr (GBytes) stamped = cades_add_timestamp (plain, url, 5000, &error);
    g_assert_no_error (error);
    gsize len;
    const guint8 *data = g_bytes_get_data (stamped, &len);
    g_autoptr (Cades) cades = cades_verify (data, len, text, strlen (text), &error);
    g_assert_no_error (error);
    g_assert_nonnull (cades->timestamp);
    g_assert_null (cades_add_timestamp (stamped, url, 5000, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_autofree char *p7s = g_build_filename (folder, "t.p7s", NULL), *pem = g_build_filename (folder, "signer.crt", NULL);
    g_assert_true (file_write (p7s, data, len, 0600, TRUE, NULL));
    BIO *bio = BIO_new_file (pem, "w");
    PEM_write_bio_X509 (bio, cert);
    BIO_free (bio);
    g_assert_cmpint (shell ("openssl cms -verify -binary -inform DER -in t.p7s -content text -CAfile signer.crt -purpose any -cades -out /dev/null 2>>log"), ==, 0);
    g_autofree guint8 *changed = g_memdup2 (data, len);
    for (gsize i = 0; i < len; i += STEP) {
        changed[i] = data[i] ^ 0x01;
        g_autoptr (Cades) other = cades_verify (changed, len, text, strlen (text), NULL);
        if (other != NULL)
            g_error ("byte %" G_GSIZE_FORMAT " of a timestamped signature can be flipped", i);
        changed[i] = data[i];
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("tsa-XXXXXX", NULL);
    g_assert_cmpint (shell (setup), ==, 0);
    GPid pid = start_server ();
    g_test_add_func ("/tsa/request", test_request);
    g_test_add_func ("/tsa/every-byte", test_every_byte);
    g_test_add_func ("/tsa/chains", test_chains);
    g_test_add_func ("/tsa/purpose", test_purpose);
    g_test_add_func ("/tsa/refused", test_refused);
    g_test_add_func ("/tsa/silent", test_silent);
    g_test_add_func ("/tsa/cades-t", test_cades_t);
    int status = g_test_run ();
    kill (pid, SIGTERM);
    waitpid (pid, NULL, 0);
    file_remove_tree (folder, NULL);
    g_free (folder);
    g_free (base);
    return status;
}
