extension Grammar {
  /// A `complete` line for everything that can be typed; fish itself knows how options are spelled.
  func fishCompletion() -> String {
    let everywhere = globalOptions + commands.flatMap(\.options)
    let valued = everywhere.filter { $0.value != nil }
    let long = unique(valued.map(\.name)).joined(separator: "|")
    let short = unique(valued.compactMap { $0.short.map { String($0) } }).joined()
    var lines: [String] = []
    for command in commands {
      lines.append(
        complete("-n '\(at)_at \"\"' -a \(command.name) -d \(quoted(plain(command.summary)))"))
    }
    for option in globalOptions { lines.append(complete(words(for: option))) }
    for command in commands where !command.options.isEmpty || !command.arguments.isEmpty {
      lines.append("")
      for option in command.options {
        lines.append(complete("-n '\(at)_at \(command.name)' \(words(for: option))"))
      }
      for (index, argument) in command.arguments.enumerated() where argument.value.completion != .nothing {
        let more = if case .repeating = argument.arity { " more" } else { "" }
        let condition = "-n '\(at)_at \(command.name) \(index)\(more)'"
        lines.append(complete("\(condition) \(words(for: argument.value))"))
      }
    }
    return #"""
      # Completion of \#(program) in fish. Made from the definition of the command line, which is the place to change it.

      # Prints the command that stands before the cursor, perhaps none, and how many arguments it has.
      function \#(at)_state
          set -l command ''
          set -l operands 0
          set -l ended 0
          set -l pending 0
          for word in (commandline -opc)[2..]
              if test $pending = 1
                  set pending 0
                  continue
              end
              if test $ended = 0; and string match -qr -- '^-[^0-9]' $word
                  if test "$word" = --
                      set ended 1
                  else if string match -qr -- '^--(\#(long))$|^-[^-\#(short)][^\#(short)]*[\#(short)]$|^-[\#(short)]$' $word
                      set pending 1
                  end
              else if test -z "$command"
                  set command $word
              else
                  set operands (math $operands + 1)
              end
          end
          printf '%s\n' "$command" $operands
      end

      # COMMAND [INDEX [more]]: whether the cursor is in that command, and at that argument or, with more, beyond it.
      function \#(at)_at
          set -l state (\#(at)_state)
          test "$state[1]" = "$argv[1]"; or return 1
          set -q argv[2]; or return 0
          test $state[2] -eq $argv[2]; and return 0
          set -q argv[3]; and test $state[2] -gt $argv[2]
      end

      # KIND: what the program itself has to offer.
      function \#(at)_dynamic
          \#(program) __complete $argv[1] -- (commandline -opc)[2..] 2>/dev/null </dev/null
      end

      complete -c \#(program) -f
      \#(lines.joined(separator: "\n"))

      """#
  }

  private var at: String { "__\(functionName)" }

  private func complete(_ words: String) -> String { "complete -c \(program) \(words)" }

  private func words(for option: OptionSpec) -> String {
    let short = option.short.map { "-s \($0) " } ?? ""
    let value = option.value.map { " " + words(for: $0) } ?? ""
    return "\(short)-l \(option.name)\(value) -d \(quoted(plain(option.summary)))"
  }

  private func words(for value: ValueSpec) -> String {
    switch value.completion {
    case .nothing: "-x"
    case .files: "-r -F"
    case .directories: "-x -a '(__fish_complete_directories)'"
    case .choices(let words), .suggestions(let words): "-x -a \(quoted(words.joined(separator: " ")))"
    case .commands: "-x -a \(quoted(commands.map(\.name).joined(separator: " ")))"
    case .dynamic(let kind): "-x -a '(\(at)_dynamic \(kind))'"
    }
  }

  private func quoted(_ text: String) -> String {
    var result = "'"
    for character in text {
      if character == "'" || character == "\\" { result.append("\\") }
      result.append(character)
    }
    return result + "'"
  }
}

private func unique(_ names: [String]) -> [String] {
  var result: [String] = []
  for name in names where !result.contains(name) { result.append(name) }
  return result
}
