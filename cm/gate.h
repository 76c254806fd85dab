/*
 * gate: the whole process, from a checked configuration to the last client's end: listeners, workers on their threads,
 * the bundled session server when no backend is given, the metrics page, and what the signals ask for: SIGTERM and
 * SIGINT end it in peace within drain_ms_max (a second one at once), SIGHUP reads the configuration and the certificate
 * again.
 */
#ifndef GATE_H
#define GATE_H

/*
 * Runs until it is told to end. xml_kernel is what xml_kernel_choose() answered. Answers the exit status: 0 ended in
 * peace, 1 could not begin or go on (the log says why), 2 the configuration has faults (they are on stderr).
 */
int gate_run(const char *config_file, const char *xml_kernel);

#endif
