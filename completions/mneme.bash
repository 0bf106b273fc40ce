# Completion of mneme in bash. Made from the definition of the command line, which is the place to change it.

# COMMAND OPTION: sets `name` to the option's long form, and `takes` to what it takes, empty for a switch.
_mneme_option() {
  case $1:$2 in
  calibrate:--format) name=--format takes='choices text csv' ;;
  *:--url | *:-u) name=--url takes='text URL' ;;
  *:--key-prefix | *:-p) name=--key-prefix takes='text PREFIX' ;;
  *:--password-file) name=--password-file takes='files' ;;
  *:--askpass) name=--askpass takes='' ;;
  *:--cacert) name=--cacert takes='files' ;;
  *:--cert) name=--cert takes='files' ;;
  *:--key) name=--key takes='files' ;;
  *:--insecure) name=--insecure takes='' ;;
  *:--connect-timeout) name=--connect-timeout takes='text DURATION' ;;
  *:--timeout) name=--timeout takes='text DURATION' ;;
  *:--json) name=--json takes='' ;;
  *:--quiet | *:-q) name=--quiet takes='' ;;
  *:--verbose | *:-v) name=--verbose takes='' ;;
  *:--color) name=--color takes='choices auto always never' ;;
  *:--progress) name=--progress takes='choices auto always never' ;;
  *:--help | *:-h) name=--help takes='' ;;
  *:--version) name=--version takes='' ;;
  *:--namespace | *:-n) name=--namespace takes='dynamic namespaces' ;;
  *:--ttl) name=--ttl takes='text DURATION' ;;
  *:--metadata) name=--metadata takes='text JSON' ;;
  *:--response-file) name=--response-file takes='files' ;;
  *:--native-ttl) name=--native-ttl takes='' ;;
  *:--max-entries) name=--max-entries takes='text N' ;;
  *:--no-normalize) name=--no-normalize takes='' ;;
  *:--embedding) name=--embedding takes='files' ;;
  *:--embedder) name=--embedder takes='text SPEC' ;;
  *:--embedder-command) name=--embedder-command takes='text COMMAND' ;;
  *:--embedder-file) name=--embedder-file takes='files' ;;
  *:--embedder-timeout) name=--embedder-timeout takes='text DURATION' ;;
  *:--exact) name=--exact takes='' ;;
  *:--threshold) name=--threshold takes='text F' ;;
  *:--min-confidence) name=--min-confidence takes='text F' ;;
  *:--peek) name=--peek takes='' ;;
  *:--explain) name=--explain takes='' ;;
  *:--nearest) name=--nearest takes='text N' ;;
  *:--no-index-cache) name=--no-index-cache takes='' ;;
  *:--id) name=--id takes='text ID' ;;
  *:--dry-run) name=--dry-run takes='' ;;
  *:--prometheus) name=--prometheus takes='' ;;
  *:--expect-backups) name=--expect-backups takes='' ;;
  *:--list) name=--list takes='' ;;
  *:--family) name=--family takes='choices meta version next_id entry hash lru by_id by_ttl namespaces counters quotas quota' ;;
  *:--limit) name=--limit takes='text N' ;;
  *:--sample) name=--sample takes='choices all' ;;
  *:--top) name=--top takes='text N' ;;
  *:--check) name=--check takes='' ;;
  *:--discover) name=--discover takes='' ;;
  *:--pace) name=--pace takes='text DURATION' ;;
  *:--batch-size) name=--batch-size takes='text N' ;;
  *:--max-duration) name=--max-duration takes='text DURATION' ;;
  *:--repair) name=--repair takes='' ;;
  *:--remove) name=--remove takes='' ;;
  *:--evict) name=--evict takes='' ;;
  *:--all) name=--all takes='' ;;
  *:--yes | *:-y) name=--yes takes='' ;;
  *:--output | *:-o) name=--output takes='files' ;;
  *:--format) name=--format takes='choices jsonl csv' ;;
  *:--embeddings) name=--embeddings takes='choices none base64 array' ;;
  *:--since-id) name=--since-id takes='text ID' ;;
  *:--include-expired) name=--include-expired takes='' ;;
  *:--on-conflict) name=--on-conflict takes='choices replace skip fail' ;;
  *:--since-line) name=--since-line takes='text LINE' ;;
  *:--paraphrases) name=--paraphrases takes='files' ;;
  *:--distractors) name=--distractors takes='files' ;;
  *:--labelled) name=--labelled takes='files' ;;
  *:--pairs) name=--pairs takes='text N' ;;
  *:--seed) name=--seed takes='text N' ;;
  *:--metric) name=--metric takes='choices f1 precision recall' ;;
  *:--min-precision) name=--min-precision takes='text F' ;;
  *:--min-recall) name=--min-recall takes='text F' ;;
  *:--vectors) name=--vectors takes='choices float32 int8' ;;
  *) return 1 ;;
  esac
}

# COMMAND INDEX: sets `takes` to what stands at that place among the command's arguments.
_mneme_argument() {
  case $1:$2 in
  put:0) takes='text QUERY' ;;
  put:1) takes='text RESPONSE' ;;
  get:0) takes='text QUERY' ;;
  delete:*) takes='text QUERY' ;;
  set-quota:0) takes='dynamic namespaces' ;;
  set-quota:1) takes='text MAX_ENTRIES' ;;
  clear:*) takes='dynamic namespaces' ;;
  import:0) takes='files' ;;
  reembed:0) takes='text TARGET_PREFIX' ;;
  completions:0) takes='choices bash zsh fish' ;;
  snapshot:0) takes='files' ;;
  dumps:0) takes='files' ;;
  restore:0) takes='files' ;;
  loads:0) takes='files' ;;
  help:0) takes='choices put get delete stats health inspect-keys vacuum set-quota clear export import calibrate reembed demo completions snapshot dumps restore loads help' ;;
  *) takes='' ;;
  esac
}

# COMMAND: sets `options` to those that can be typed with it.
_mneme_options() {
  options=''
  case $1 in
  put) options='--namespace --ttl --metadata --response-file --native-ttl --max-entries --no-normalize --embedding --embedder --embedder-command --embedder-file --embedder-timeout' ;;
  get) options='--namespace --exact --threshold --min-confidence --peek --explain --nearest --no-normalize --no-index-cache --embedding --embedder --embedder-command --embedder-file --embedder-timeout' ;;
  delete) options='--namespace --id --dry-run --no-normalize' ;;
  stats) options='--namespace --prometheus' ;;
  health) options='--expect-backups' ;;
  inspect-keys) options='--namespace --list --family --limit --sample --top --check --discover --pace' ;;
  vacuum) options='--namespace --dry-run --batch-size --max-duration --repair --pace' ;;
  set-quota) options='--remove --evict --dry-run --pace' ;;
  clear) options='--all --yes --dry-run --pace' ;;
  export) options='--namespace --output --format --embeddings --since-id --include-expired --pace' ;;
  import) options='--namespace --on-conflict --since-line --native-ttl --max-entries --dry-run --batch-size --pace --embedder --embedder-command --embedder-file --embedder-timeout' ;;
  calibrate) options='--paraphrases --distractors --labelled --pairs --seed --metric --min-precision --min-recall --vectors --format --no-normalize --embedder --embedder-command --embedder-file --embedder-timeout' ;;
  reembed) options='--native-ttl --no-normalize --pace --embedder --embedder-command --embedder-file --embedder-timeout' ;;
  esac
  options+=' --url --key-prefix --password-file --askpass --cacert --cert --key --insecure --connect-timeout --timeout --json --quiet --verbose --color --progress --help --version'
}

# LINE: sets `words` to its words without their quotes, the last of them the one to complete; `quote` to the
# quote left open, and `head` to the part of the last word that readline leaves alone: up to an open quote, or up
# to a character at which readline, unlike the shell, begins a word. COMP_WORDS is cut at these, so it is no help.
_mneme_split() {
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
_mneme_offer() {
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
_mneme_value() {
  local prefix=$1 takes=$2 line kind=-f values=()
  case $takes in
  choices\ *)
    read -ra values <<<"${takes#choices }"
    _mneme_offer "$prefix" "${values[@]}"
    ;;
  dynamic\ *)
    while IFS= read -r line; do
      if [[ -n $line ]]; then values+=("${line%%$'\t'*}"); fi
    done <<<"$(mneme __complete "${takes#dynamic }" -- "${before[@]}" 2>/dev/null </dev/null)"
    _mneme_offer "$prefix" "${values[@]}"
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

_mneme() {
  local IFS=$' \t\n' words quote head
  local command='' operands=0 pending='' ended='' given=' ' name takes options word i j
  COMPREPLY=()
  _mneme_split "${COMP_LINE:0:COMP_POINT}"
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
    --*=*) if _mneme_option "$command" "${word%%=*}"; then given+="$name "; fi ;;
    --*)
      if _mneme_option "$command" "$word"; then given+="$name " pending=$takes; fi
      ;;
    -[!0-9]*)
      for ((j = 1; j < ${#word}; j++)); do
        if ! _mneme_option "$command" "-${word:j:1}"; then break; fi
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
    _mneme_value '' "$pending"
    return
  fi
  case $ended$current in
  --*=*)
    if _mneme_option "$command" "${current%%=*}"; then _mneme_value "${current%%=*}=" "$takes"; fi
    ;;
  - | --*)
    _mneme_options "$command"
    for name in $options; do
      if [[ $given != *" $name "* || ' --id ' == *" $name "* ]]; then _mneme_offer '' "$name"; fi
    done
    ;;
  -[!0-9]*)
    for ((i = 1; i < ${#current}; i++)); do
      if ! _mneme_option "$command" "-${current:i:1}"; then return; fi
      if [[ -n $takes ]]; then
        _mneme_value "${current:0:i+1}" "$takes"
        return
      fi
    done
    ;;
  *)
    if [[ -z $command ]]; then
      _mneme_offer '' put get delete stats health inspect-keys vacuum set-quota clear export import calibrate reembed demo completions snapshot dumps restore loads help
    else
      _mneme_argument "$command" "$operands"
      _mneme_value '' "$takes"
    fi
    ;;
  esac
}

complete -F _mneme mneme
