/*
 * ctl: the command `stanzagate ctl`, with which operators look at a running gate and steer it, through its control
 * socket (control.h).
 */
#ifndef OPS_CTL_H
#define OPS_CTL_H

/*
 * argv[0] is "ctl". Answers the exit status: 0 done, 1 the gate refused or found nothing, 2 the command line is wrong,
 * 3 no gate could be reached.
 */
int ctl_main(int argc, char **argv);

#endif
