/// A shell that completions are made for.
public enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish

  /// The name of the stub in the directory where this shell looks for it.
  public func fileName(for program: String) -> String {
    switch self {
    case .bash: "\(program).bash"
    case .zsh: "_\(program)"
    case .fish: "\(program).fish"
    }
  }
}

extension Grammar {
  /// The script that makes a shell ask the program what can be typed: `PROGRAM __complete SHELL …`.
  ///
  /// The first line of an answer says what follows: `words`, `files`, `directories`, or for zsh also `text`.
  /// `CompletionRequest.answer` writes the rest of the answer as the stub of that shell uses it.
  public func completionStub(for shell: Shell) -> String {
    switch shell {
    case .bash: bashStub
    case .zsh: zshStub
    case .fish: fishStub
    }
  }

  /// The stub for bash. It passes the line, because COMP_WORDS is cut at the characters of COMP_WORDBREAKS.
  private var bashStub: String {
    #"""
    # Completion of \#(program) in bash: \#(program) itself answers what can be typed at the cursor.
    _\#(program)() {
      local answer names
      COMPREPLY=()
      mapfile -t answer < <(\#(program) __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
      case ${answer[0]} in
      words) COMPREPLY=("${answer[@]:1}") ;;
      files | directories)
        # Readline quotes the names, and puts a slash after a directory. `compgen -f` and `-d` list them.
        compopt -o filenames 2>/dev/null
        mapfile -t names < <(compgen -P "${answer[1]}" "-${answer[0]:0:1}" -- "${answer[2]}")
        COMPREPLY=("${names[@]#"${answer[3]}"}")
        ;;
      esac
    }

    complete -F _\#(program) \#(program)

    """#
  }

  /// The stub for zsh. With its last lines it works from a directory of `fpath`, and if it is sourced after `compinit`.
  private var zshStub: String {
    #"""
    #compdef \#(program)
    # Completion of \#(program) in zsh: \#(program) itself answers what can be typed at the cursor.
    _\#(program)() {
      local -a answer=("${(f@)$(\#(program) __complete zsh "${(Q)words[2,CURRENT-1][@]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
      local kind=$answer[1]
      shift answer
      case $kind in
      (words) _describe value answer ;;
      (files) compset -p $answer[1]; _files ;;
      (directories) compset -p $answer[1]; _files -/ ;;
      (text) _message -e values $answer[1] ;;
      esac
    }

    if [[ $funcstack[1] == _\#(program) ]]; then _\#(program) "$@"; else compdef _\#(program) \#(program); fi

    """#
  }

  private var fishStub: String {
    #"""
    # Completion of \#(program) in fish: \#(program) itself answers what can be typed at the cursor.
    function __\#(program)_candidates
        set -l token (commandline -ct)
        set -l answer (\#(program) __complete fish (commandline -opc)[2..] "$token" 2>/dev/null </dev/null)
        switch "$answer[1]"
            case words
                set -q answer[2]; and printf '%s\n' $answer[2..]
            case files directories
                # As fish completes the name for a command that it does not know.
                set -l names (complete -C "'' "(string replace -- "$answer[2]" '' "$token"))
                if test $answer[1] = directories
                    set names (string match -- '*/' $names)
                end
                set -q names[1]; and printf '%s\n' "$answer[2]"$names
        end
    end

    complete -c \#(program) -f -a '(__\#(program)_candidates)'

    """#
  }
}
