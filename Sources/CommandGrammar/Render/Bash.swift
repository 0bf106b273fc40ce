extension Grammar {
  /// The script stands on its own: it needs nothing of the bash-completion package, and bash 4.
  func bashCompletion() -> String {
    let table = CompletionTable(self)
    let function = "_\(functionName)"
    let options = table.options.map { patterns, meaning in
      "  \(patterns.joined(separator: " | "))) name=\(meaning.name) takes=\(shellQuoted(meaning.takes)) ;;"
    }
    let arguments = table.arguments.map { "  \($0.pattern)) takes=\(shellQuoted($0.takes)) ;;" }
    let offered = commands.filter { !$0.options.isEmpty }.map { command in
      let own = command.options.map(\.longForm).joined(separator: " ")
      return "  \(command.name)) options=\(shellQuoted(own)) ;;"
    }
    return #"""
      # Completion of \#(program) in bash. Made from the definition of the command line, which is the place to change it.

      # COMMAND OPTION: sets `name` to the option's long form, and `takes` to what it takes, empty for a switch.
      \#(function)_option() {
        case $1:$2 in
      \#(options.joined(separator: "\n"))
        *) return 1 ;;
        esac
      }

      # COMMAND INDEX: sets `takes` to what stands at that place among the command's arguments.
      \#(function)_argument() {
        case $1:$2 in
      \#(arguments.joined(separator: "\n"))
        *) takes='' ;;
        esac
      }

      # COMMAND: sets `options` to those that can be typed with it.
      \#(function)_options() {
        options=''
        case $1 in
      \#(offered.joined(separator: "\n"))
        esac
        options+=\#(shellQuoted(" " + globalOptions.map(\.longForm).joined(separator: " ")))
      }

      # LINE: sets `words` to its words without their quotes, the last of them the one to complete; `quote` to the
      # quote left open, and `head` to the part of the last word that readline leaves alone: up to an open quote, or up
      # to a character at which readline, unlike the shell, begins a word. COMP_WORDS is cut at these, so it is no help.
      \#(function)_split() {
        local line=$1 word='' begun='' character i
        words=() quote='' head=''
        for ((i = 0; i < ${#line}; i++)); do
          character=${line:i:1}
          case $quote$character in
          \' | \") quote=$character begun=1 head=$word ;;
          \'\' | \"\") quote='' ;;
          \\ | \"\\)
            ((i++))
            character=${line:i:1} begun=1
            if [[ -n $quote && $character != [\"\\\$\`] ]]; then word+=\\; fi
            word+=$character
            ;;
          [[:space:]])
            if [[ -n $begun ]]; then words+=("$word"); fi
            word='' begun='' head=''
            ;;
          *)
            word+=$character begun=1
            if [[ -z $quote && $COMP_WORDBREAKS == *"$character"* ]]; then head=$word; fi
            ;;
          esac
        done
        words+=("$word")
      }

      # PREFIX CANDIDATE...: offers those that, behind the prefix, begin as the current word does.
      \#(function)_offer() {
        local prefix=$1 candidate
        shift
        for candidate; do
          candidate=$prefix$candidate
          if [[ $candidate != "$current"* ]]; then continue; fi
          candidate=${candidate#"$head"}
          case $quote in
          \') candidate=${candidate//\'/\'\\\'\'} ;;
          \")
            candidate=${candidate//\\/\\\\}
            candidate=${candidate//\"/\\\"}
            candidate=${candidate//\$/\\\$}
            candidate=${candidate//\`/\\\`}
            ;;
          *) printf -v candidate %q "$candidate" ;;
          esac
          COMPREPLY+=("$candidate")
        done
      }

      # PREFIX TAKES: offers what is taken, behind the prefix that it shares a word with.
      \#(function)_value() {
        local prefix=$1 takes=$2 line kind=-f values=()
        case $takes in
        choices\ *)
          read -ra values <<<"${takes#choices }"
          \#(function)_offer "$prefix" "${values[@]}"
          ;;
        dynamic\ *)
          while IFS= read -r line; do
            if [[ -n $line ]]; then values+=("${line%%$'\t'*}"); fi
          done <<<"$(\#(program) __complete "${takes#dynamic }" -- "${before[@]}" 2>/dev/null </dev/null)"
          \#(function)_offer "$prefix" "${values[@]}"
          ;;
        files | directories)
          # Readline quotes names of files by itself, and puts a slash behind a directory.
          if [[ $takes == directories ]]; then kind=-d; fi
          compopt -o filenames 2>/dev/null
          while IFS= read -r line; do
            if [[ -n $line ]]; then
              line=$prefix$line
              COMPREPLY+=("${line#"$head"}")
            fi
          done <<<"$(compgen "$kind" -- "${current#"$prefix"}")"
          ;;
        esac
      }

      \#(function)() {
        local IFS=$' \t\n' words quote head
        local command='' operands=0 pending='' ended='' given=' ' name takes options word i j
        COMPREPLY=()
        \#(function)_split "${COMP_LINE:0:COMP_POINT}"
        local last=$((${#words[@]} - 1))
        if ((last < 1)); then return; fi
        local current=${words[last]} before=("${words[@]:1:last-1}")

        # What stands before the cursor: which command, how many arguments, which options, and whether the last of
        # them waits for its value.
        for word in "${before[@]}"; do
          if [[ -n $pending ]]; then
            pending=''
            continue
          fi
          case $ended$word in
          --) ended=1 ;;
          --*=*) if \#(function)_option "$command" "${word%%=*}"; then given+="$name "; fi ;;
          --*)
            if \#(function)_option "$command" "$word"; then given+="$name " pending=$takes; fi
            ;;
          -[!0-9]*)
            for ((j = 1; j < ${#word}; j++)); do
              if ! \#(function)_option "$command" "-${word:j:1}"; then break; fi
              given+="$name "
              if [[ -n $takes ]]; then
                if ((j == ${#word} - 1)); then pending=$takes; fi
                break
              fi
            done
            ;;
          *) if [[ -z $command ]]; then command=$word; else ((operands++)); fi ;;
          esac
        done

        if [[ -n $pending ]]; then
          \#(function)_value '' "$pending"
          return
        fi
        case $ended$current in
        --*=*)
          if \#(function)_option "$command" "${current%%=*}"; then \#(function)_value "${current%%=*}=" "$takes"; fi
          ;;
        - | --*)
          \#(function)_options "$command"
          for name in $options; do
            if [[ $given != *" $name "* || \#(repeatingPattern) == *" $name "* ]]; then \#(function)_offer '' "$name"; fi
          done
          ;;
        -[!0-9]*)
          for ((i = 1; i < ${#current}; i++)); do
            if ! \#(function)_option "$command" "-${current:i:1}"; then return; fi
            if [[ -n $takes ]]; then
              \#(function)_value "${current:0:i+1}" "$takes"
              return
            fi
          done
          ;;
        *)
          if [[ -z $command ]]; then
            \#(function)_offer '' \#(commands.map(\.name).joined(separator: " "))
          else
            \#(function)_argument "$command" "$operands"
            \#(function)_value '' "$takes"
          fi
          ;;
        esac
      }

      complete -F \#(function) \#(program)

      """#
  }

  /// The options that are offered however often they were given.
  var repeatingPattern: String {
    let names = (globalOptions + commands.flatMap(\.options)).filter(\.repeats).map(\.longForm)
    var unique: [String] = []
    for name in names where !unique.contains(name) { unique.append(name) }
    return shellQuoted(unique.isEmpty ? "" : " \(unique.joined(separator: " ")) ")
  }
}
