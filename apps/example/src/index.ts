// Nothing is listed here: scheduler and worker find the tasks by themselves, in every file of the folder `tasks`.
export {}
