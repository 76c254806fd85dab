/*
 * config_text: configurations for tests, from text.
 */
#ifndef TESTS_CONFIG_TEXT_H
#define TESTS_CONFIG_TEXT_H

#include "config_file.h"

/* What every good configuration needs: six lines. */
#define CONFIG_NEEDED                                                                                                  \
	"tls:\n"                                                                                                       \
	"  certificate: cert.pem\n"                                                                                    \
	"  key: key.pem\n"                                                                                             \
	"listeners:\n"                                                                                                 \
	"  - address: 127.0.0.1:0\n"                                                                                   \
	"    tls: starttls\n"

/* A new folder, which is removed with all its files when the test ends well. */
const char *config_folder(void);
void config_folder_remove(void);

/* Writes folder/name and answers its path, valid until the next call. */
const char *config_file_write(const char *name, const char *text);

/* Reads the text as folder/gate.yaml. */
struct config *config_text_read(const char *text, struct config_faults *ret);

/* All lines, each ended by a line feed, with the file's path replaced by FILE. Valid until the next call. */
const char *config_faults_text(const struct config_faults *);

#endif
