/* Runs commands in turn, A B A B …, and prints the time of the whole process and its peak memory for each
 * run.
 *
 *     race ROUNDS INPUT OUTPUT COMMAND… ';;' INPUT OUTPUT COMMAND… [';;' …]
 *
 * INPUT and OUTPUT are files; standard error stays. Prints for each run `command nanoseconds kilobytes status`.
 * The launcher is small because the fork of a large one is slow, and because Linux counts the launcher's own
 * memory as part of the peak of the programs that it starts. */
#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void run(int place, char **words) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, words[0], O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, words[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child;
  int64_t start = nanoseconds();
  int failure = posix_spawnp(&child, words[2], &actions, NULL, words + 2, environ);
  if (failure) fail("%s: %s", words[2], strerror(failure));
  int status;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) != child) fail("wait4: %s", strerror(errno));
  int64_t end = nanoseconds();
  posix_spawn_file_actions_destroy(&actions);
  printf("%d %lld %ld %d\n", place, (long long)(end - start), usage.ru_maxrss,
         WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int count, char **arguments) {
  if (count < 5) fail("usage: race ROUNDS INPUT OUTPUT COMMAND… [';;' …]");
  int rounds = atoi(arguments[1]);
  char **commands[16];
  int commands_count = 0;
  for (int at = 2; at < count; at++) {
    if (commands_count == 16) fail("more than 16 commands");
    commands[commands_count++] = arguments + at;
    while (at < count && strcmp(arguments[at], ";;")) at++;
    arguments[at] = NULL;
  }
  for (int round = 0; round < rounds; round++)
    for (int place = 0; place < commands_count; place++) run(place, commands[place]);
  return 0;
}
