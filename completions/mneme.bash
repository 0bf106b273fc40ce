# Completion of mneme in bash: mneme itself answers what can be typed at the cursor.
_mneme() {
  local answer names
  COMPREPLY=()
  mapfile -t answer < <(mneme __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
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

complete -F _mneme mneme
