/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file may say, and where it is wrong. */
#include "vmguard/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static struct fault fault;
static struct config config;
static char path[64];
static char told[8192]; /* all mistakes, a line each, without the path */
static char defaults[256];

static void tell(struct config_reader *r, const char *sentence)
{
	size_t end = strlen(told);

	ck_assert_int_eq(strncmp(sentence, path, strlen(path)), 0);
	snprintf(told + end, sizeof(told) - end, "%s\n", sentence + strlen(path) + 1);
	(void)r;
}

/* Stands for the policy. */
static int set_default(struct config_reader *r, const char *key, const char *value, struct fault *f)
{
	size_t end = strlen(defaults);

	(void)r;
	if (strcmp(key, "interval") != 0)
		return fault_set(f, -EINVAL, "a policy has no key %s", key);
	snprintf(defaults + end, sizeof(defaults) - end, "%s=%s;", key, value);
	return 0;
}

static struct config_reader reader = {.set_default = set_default, .wrong = tell};

static int read_text(const char *text)
{
	strcpy(path, "/tmp/vg-config-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	told[0] = 0;
	defaults[0] = 0;
	int r = config_read(path, &reader, &config, &fault);
	unlink(path);
	return r;
}

START_TEST(has_no_settings_without_a_file)
{
	ck_assert_int_eq(config_read("/nowhere/vmguard.conf", NULL, &config, &fault), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
	ck_assert_int_eq(read_text(""), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
}
END_TEST

START_TEST(reads_a_setting)
{
	ck_assert_int_eq(read_text("# of this host\n\nhook-when-down = allow ; for now\n"), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_ALLOW);
	ck_assert_int_eq(read_text("hook-when-down=refuse"), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
}
END_TEST

static void must_be_wrong(const char *text, const char *mistakes)
{
	config.hook_when_down = HOOK_ALLOW;
	ck_assert_msg(read_text(text) == -EINVAL, "%s", text);
	ck_assert_str_eq(told, mistakes);
	ck_assert_int_eq(strncmp(fault.text, path, strlen(path)), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
}

START_TEST(names_the_line_that_is_wrong)
{
	must_be_wrong("hook-when-down = maybe\n",
		      "1: hook-when-down is refuse or allow, not \"maybe\"\n");
	must_be_wrong("hook-when-down =\n", "1: hook-when-down is refuse or allow, not \"\"\n");
	must_be_wrong("hook-when-down = allow\n\nhook-when-dwn = allow\n",
		      "3: there is no key hook-when-dwn above the first section, is "
		      "hook-when-down meant?\n");
	must_be_wrong("hook-when-down = allow\nallow\n", "2: that is not NAME = VALUE\n");
	must_be_wrong("allow", "1: that is not NAME = VALUE\n");
	must_be_wrong("hook-when-down = allow\nhook-when-down = allow\n",
		      "2: hook-when-down is set twice, first in line 1\n");
}
END_TEST

START_TEST(names_every_mistake)
{
	must_be_wrong("hook-when-down = maybe\n"
		      "rubbish\n"
		      "[limit]\n"
		      "captures-per-host = 99\n"
		      "[limits]\n"
		      "  captures-per-host = 99\n"
		      "captures-per-store = 8\n"
		      "group = admin\n"
		      "[api\n"
		      "socket = api.sock\n"
		      "[api]\n"
		      "lunch = noon\n",
		      "1: hook-when-down is refuse or allow, not \"maybe\"\n"
		      "2: that is not NAME = VALUE\n"
		      "3: there is no section [limit], is [limits] meant?\n"
		      "6: captures-per-host is a number from 1 to 64, not \"99\"\n"
		      "8: there is no key group in [limits], it stands in [api]\n"
		      "9: a section is [NAME] and nothing else\n"
		      "12: there is no key lunch in [api]\n");
	ck_assert_ptr_nonnull(strstr(fault.text, ":1: hook-when-down is"));
	ck_assert_ptr_nonnull(strstr(fault.text, " (and 6 more)"));
}
END_TEST

START_TEST(reads_all_sections)
{
	int r = read_text("hook-when-down = allow\n"
			  "[host]\nname = host-a\n"
			  "[ store ] ; where\nuri = rbd:vms/web?id=vmguard&conf=/etc/c.conf\n"
			  "[limits]\ncaptures-per-host = 4\nspool = 512M\n"
			  "[api]\nlisten = [::1]:8443\ncertificate = /a\nkey = /b\nclient-ca = /c\n"
			  "[directories]\nstate = /srv/vmguard\n"
			  "[webhook chat]\nurl = http://[::1]:80/x\nseverity = error\n"
			  "[limits]\ncaptures-per-store = 16\n"
			  "[webhook mail]\nurl = https://example.org\nqueue = 1M\n"
			  "[webhook chat]\ntimeout = 3s\n");
	ck_assert_msg(r == 0, "%s", fault.text);
	ck_assert_int_eq(config.hook_when_down, HOOK_ALLOW);
	ck_assert_str_eq(config.host, "host-a");
	ck_assert_str_eq(config.store, "rbd:vms/web?id=vmguard&conf=/etc/c.conf");
	ck_assert_uint_eq(config.captures_per_host, 4);
	ck_assert_uint_eq(config.captures_per_store, 16);
	ck_assert_uint_eq(config.spool_bytes, 512 << 20);
	ck_assert_str_eq(config.listen, "[::1]:8443");
	ck_assert_str_eq(config.client_ca, "/c");
	ck_assert_str_eq(config.state_directory, "/srv/vmguard");
	ck_assert_str_eq(config.run_directory, "/run/vmguard");
	ck_assert_uint_eq(config.webhook_count, 2);
	ck_assert_str_eq(config.webhooks[0].name, "chat");
	ck_assert_str_eq(config.webhooks[0].url, "http://[::1]:80/x");
	ck_assert_int_eq(config.webhooks[0].severity, EVENT_ERROR);
	ck_assert_int_eq(config.webhooks[0].timeout_ms, 3000);
	ck_assert_uint_eq(config.webhooks[0].queue_bytes, 16 << 20);
	ck_assert_str_eq(config.webhooks[1].name, "mail");
	ck_assert_int_eq(config.webhooks[1].severity, EVENT_WARNING);
	ck_assert_uint_eq(config.webhooks[1].queue_bytes, 1 << 20);
}
END_TEST

START_TEST(defaults_are_the_policy_s)
{
	ck_assert_int_eq(read_text("[defaults]\ninterval = 10s\n"), 0);
	ck_assert_str_eq(defaults, "interval=10s;");
	must_be_wrong("[defaults]\ninterval = 10s\nlunch = noon\ninterval = 5s\n",
		      "3: a policy has no key lunch\n"
		      "4: interval is set twice, first in line 2\n");
	ck_assert_str_eq(defaults, "interval=10s;");
	ck_assert_int_eq(config_read("/nowhere", NULL, &config, &fault), 0);
}
END_TEST

static void must_refuse(const char *section, const char *name, const char *const *values)
{
	for (; *values; values++) {
		char text[512];

		snprintf(text, sizeof(text), "[%s]\nurl = http://a\n%s = %s\n", section, name,
			 *values);
		if (strcmp(section, "webhook a") != 0 || !strcmp(name, "url"))
			snprintf(text, sizeof(text), "[%s]\n\n%s = %s\n", section, name, *values);
		ck_assert_msg(read_text(text) == -EINVAL, "%s", text);
		snprintf(text, sizeof(text), "3: %s is ", name);
		ck_assert_msg(!strncmp(told, text, strlen(text)) && strstr(told, *values), "%s",
			      told);
	}
}

#define MUST_REFUSE(section, name, ...) \
	must_refuse(section, name, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(each_form_has_its_limits)
{
	MUST_REFUSE("host", "name", "a b", ".a", "-a", "a/b",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	MUST_REFUSE("store", "uri", "/srv", "dir:srv", "dir:", "rbd:", "nfs:/srv");
	MUST_REFUSE("limits", "captures-per-host", "0", "65", "-1", "many", "1.5");
	MUST_REFUSE("limits", "spool", "63M", "1", "1g", "0");
	MUST_REFUSE("api", "listen", "8443", ":8443", "host:8443", "1.2.3.4", "1.2.3.4:0",
		    "1.2.3.4:65536", "::1:80", "[::1]", "[]:80", "[1.2.3.4]:80", "1.2.3.4:80x");
	MUST_REFUSE(
		"api", "socket", "api.sock",
		"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	MUST_REFUSE("webhook a", "url", "example.org", "ftp://example.org", "https://", "http:///x",
		    "http://a b", "https://[");
	MUST_REFUSE("webhook a", "severity", "debug", "Error", "2");
	MUST_REFUSE("webhook a", "queue", "1", "32G");
	MUST_REFUSE("webhook a", "timeout", "10", "500ms", "1h");
}
END_TEST

START_TEST(tcp_needs_all_its_files)
{
	must_be_wrong("[api]\nkey = /b\nlisten = 127.0.0.1:8443\ncertificate = /a\n",
		      "3: listen needs certificate, key and client-ca too: only clients with a "
		      "certificate are served over TCP\n");
	ck_assert_int_eq(read_text("[api]\nlisten =\n"), 0);
}
END_TEST

START_TEST(a_webhook_has_a_name_and_a_url)
{
	must_be_wrong("[webhook]\nurl = x\n[webhook a/b]\n[webhook a]\n",
		      "1: a webhook is [webhook NAME], the name of at most 32 letters, digits, "
		      "\"_\" and \"-\"\n"
		      "3: a webhook is [webhook NAME], the name of at most 32 letters, digits, "
		      "\"_\" and \"-\"\n"
		      "4: [webhook a] has no url\n");
	must_be_wrong("[host web]\nname = y\n", "1: section [host] has no name behind it\n");
	must_be_wrong("[webhok x]\n", "1: there is no section [webhok], is [webhook] meant?\n");
}
END_TEST

START_TEST(there_are_no_more_than_so_many_webhooks)
{
	char text[2048] = "";

	for (int i = 0; i <= CONFIG_WEBHOOKS_MAX; i++) {
		size_t end = strlen(text);

		snprintf(text + end, sizeof(text) - end, "[webhook w%d]\nurl=http://a\n", i);
	}
	must_be_wrong(text, "33: [webhook w16] is one too many: there may be 16\n");
}
END_TEST

START_TEST(a_text_is_text)
{
	char line[512] = "[host]\nname = ";
	size_t end = strlen(line);

	ck_assert_int_eq(read_text("\xef\xbb\xbf[host]\r\nname = a\r\n"), 0);
	ck_assert_str_eq(config.host, "a");
	memset(line + end, 'a', 300);
	strcpy(line + end + 300, "\nlunch = noon\n");
	must_be_wrong(line, "2: the line is too long, 199 characters are allowed\n"
			    "3: there is no key lunch in [host]\n");
}
END_TEST

START_TEST(cannot_read_a_folder)
{
	ck_assert_int_lt(config_read("/tmp", NULL, &config, &fault), 0);
	ck_assert_ptr_nonnull(strstr(fault.text, "/tmp"));
}
END_TEST

UNIT_MAIN("config", has_no_settings_without_a_file, reads_a_setting, names_the_line_that_is_wrong,
	  names_every_mistake, reads_all_sections, defaults_are_the_policy_s,
	  each_form_has_its_limits, tcp_needs_all_its_files, a_webhook_has_a_name_and_a_url,
	  there_are_no_more_than_so_many_webhooks, a_text_is_text, cannot_read_a_folder)
