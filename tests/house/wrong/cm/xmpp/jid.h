/* Stands for another room's header. */
