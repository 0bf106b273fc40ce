import Glibc

// A program for `Tests/fuzz`: libFuzzer, and one target of those below, chosen by `--target=NAME`. (libFuzzer passes
// over what begins with two dashes, and hands it on to the processes that it starts.) All other arguments are
// libFuzzer's own: https://llvm.org/docs/LibFuzzer.html
//
//     fuzz --list               the names
//     fuzz --words=NAME         words that the target's inputs are made of, as a dictionary of libFuzzer
//     fuzz --target=NAME …      runs it

let targets: [Target] = [
  .replies, .store, .entries, .keys, .urls, .arguments, .values, .json, .lines, .index, .vectors, .texts,
]

/// The value of the first argument that begins so.
func value(of option: String) -> String? {
  CommandLine.arguments.first { $0.hasPrefix(option) }.map { String($0.dropFirst(option.count)) }
}

func target(named name: String) -> Target {
  guard let target = targets.first(where: { $0.name == name }) else {
    refuse("there is no target '\(name)'")
  }
  return target
}

if CommandLine.arguments.contains("--list") {
  for target in targets { print(target.name) }
  exit(0)
}
if let name = value(of: "--words=") {
  for word in target(named: name).words { print(dictionaryLine(word)) }
  exit(0)
}
guard let name = value(of: "--target=") else {
  refuse("usage: fuzz --list | --words=NAME | --target=NAME [libFuzzer's arguments]")
}
exit(fuzz(target(named: name)))
