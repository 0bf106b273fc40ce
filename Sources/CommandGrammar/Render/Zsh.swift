extension Grammar {
  /// The script works from a directory of `fpath`, and when it is sourced after `compinit`.
  func zshCompletion() -> String {
    let table = CompletionTable(self)
    let function = "_\(functionName)"
    let options = table.options.map { patterns, meaning in
      "  (\(patterns.joined(separator: "|"))) name=\(meaning.name) takes=\(shellQuoted(meaning.takes)) ;;"
    }
    let arguments = table.arguments.map { "  (\($0.pattern)) takes=\(shellQuoted($0.takes)) ;;" }
    let offered = commands.filter { !$0.options.isEmpty }.map { command in
      "  (\(command.name)) options=(\n\(described(command.options.map { ($0.longForm, $0.summary) }))\n    ) ;;"
    }
    return #"""
      #compdef \#(program)
      # Completion of \#(program) in zsh. Made from the definition of the command line, which is the place to change it.

      # COMMAND OPTION: sets `name` to the option's long form, and `takes` to what it takes, empty for a switch.
      \#(function)_option() {
        case $1:$2 in
      \#(options.joined(separator: "\n"))
        (*) return 1 ;;
        esac
      }

      # COMMAND INDEX: sets `takes` to what stands at that place among the command's arguments.
      \#(function)_argument() {
        case $1:$2 in
      \#(arguments.joined(separator: "\n"))
        (*) takes='' ;;
        esac
      }

      # COMMAND: sets `options` to those that can be typed with it.
      \#(function)_options() {
        options=()
        case $1 in
      \#(offered.joined(separator: "\n"))
        esac
        options+=(
      \#(described(globalOptions.map { ($0.longForm, $0.summary) }))
        )
      }

      \#(function)_commands() {
        local -a commands=(
      \#(described(commands.map { ($0.name, $0.summary) }))
        )
        _describe -t commands command commands
      }

      # TAKES: offers what is taken.
      \#(function)_value() {
        local -a values expl
        case $1 in
        (files) _files ;;
        (directories) _files -/ ;;
        (choices\ *)
          values=(${=1#choices })
          _wanted values expl value compadd -a values
          ;;
        (dynamic\ *)
          values=(${(f)"$(\#(program) __complete ${1#dynamic } -- "${before[@]}" 2>/dev/null </dev/null)"})
          values=("${values[@]%%$'\t'*}")
          _wanted values expl value compadd -a values
          ;;
        (text\ *) _message -e values "${1#text }" ;;
        esac
      }

      \#(function)() {
        local command='' pending='' ended='' name takes word
        local -i operands=0 i
        local -a options before=("${(Q)words[2,CURRENT-1][@]}") given
        local current=${(Q)PREFIX}

        # What stands before the cursor: which command, how many arguments, which options, and whether the last of
        # them waits for its value.
        for word in "${before[@]}"; do
          if [[ -n $pending ]]; then
            pending=''
            continue
          fi
          case $ended$word in
          (--) ended=1 ;;
          (--*=*) \#(function)_option "$command" "${word%%=*}" && given+=($name) ;;
          (--*)
            if \#(function)_option "$command" "$word"; then
              given+=($name)
              pending=$takes
            fi
            ;;
          (-[^0-9]*)
            for ((i = 1; i < $#word; i++)); do
              \#(function)_option "$command" "-${word:$i:1}" || break
              given+=($name)
              if [[ -n $takes ]]; then
                ((i == $#word - 1)) && pending=$takes
                break
              fi
            done
            ;;
          (*) if [[ -z $command ]]; then command=$word; else ((operands++)); fi ;;
          esac
        done

        if [[ -n $pending ]]; then
          \#(function)_value $pending
          return
        fi
        case $ended$current in
        (--*=*)
          if \#(function)_option "$command" "${current%%=*}"; then
            compset -P '*='
            \#(function)_value "$takes"
          fi
          ;;
        (-|--*)
          \#(function)_options "$command"
          for name in $given; do
            if [[ \#(repeatingPattern) != *" $name "* ]]; then options=(${options:#$name:*}); fi
          done
          _describe -o -t options option options
          ;;
        (-[^0-9]*)
          for ((i = 1; i < $#current; i++)); do
            \#(function)_option "$command" "-${current:$i:1}" || return 1
            if [[ -n $takes ]]; then
              compset -p $((i + 1))
              \#(function)_value "$takes"
              return
            fi
          done
          return 1
          ;;
        (*)
          if [[ -z $command ]]; then
            \#(function)_commands
          else
            \#(function)_argument "$command" $operands
            \#(function)_value "$takes"
          fi
          ;;
        esac
      }

      if [[ $funcstack[1] == \#(function) ]]; then
        \#(function) "$@"
      else
        compdef \#(function) \#(program)
      fi

      """#
  }

  /// The lines of an array for `_describe`: `name:what it is`.
  private func described(_ items: [(name: String, summary: String)]) -> String {
    items.map { "    " + shellQuoted("\($0.name):\(plain($0.summary))") }.joined(separator: "\n")
  }
}
