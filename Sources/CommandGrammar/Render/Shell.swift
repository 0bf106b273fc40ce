/// A shell that completions are made for.
public enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish

  /// What the completion of a program is called where this shell looks for it.
  public func fileName(for program: String) -> String {
    switch self {
    case .bash: "\(program).bash"
    case .zsh: "_\(program)"
    case .fish: "\(program).fish"
    }
  }
}

extension Grammar {
  /// The script that completes this program's command lines. The same grammar gives the same bytes.
  ///
  /// It offers commands, options that were not given yet, choices, files, and what the program itself answers
  /// to `PROGRAM __complete KIND -- WORDS…` for values of kind `.dynamic(KIND)`: one value a line, perhaps a
  /// tab and a description after it. That call reads no standard input, and its standard error is dropped.
  public func completionScript(for shell: Shell) -> GeneratedFile {
    let text =
      switch shell {
      case .bash: bashCompletion()
      case .zsh: zshCompletion()
      case .fish: fishCompletion()
      }
    return GeneratedFile(name: shell.fileName(for: program), text: text)
  }
}
