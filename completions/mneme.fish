# Completion of mneme in fish. Made from the definition of the command line, which is the place to change it.

# Prints the command that stands before the cursor, perhaps none, and how many arguments it has.
function __mneme_state
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
            else if string match -qr -- '^--(url|key-prefix|password-file|cacert|cert|key|connect-timeout|timeout|color|progress|namespace|ttl|metadata|response-file|max-entries|embedding|embedder|embedder-command|embedder-file|embedder-timeout|threshold|min-confidence|nearest|id|family|limit|sample|top|pace|batch-size|max-duration|output|format|embeddings|since-id|on-conflict|since-line|paraphrases|distractors|labelled|pairs|seed|metric|min-precision|min-recall|vectors)$|^-[^-upno][^upno]*[upno]$|^-[upno]$' $word
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
function __mneme_at
    set -l state (__mneme_state)
    test "$state[1]" = "$argv[1]"; or return 1
    set -q argv[2]; or return 0
    test $state[2] -eq $argv[2]; and return 0
    set -q argv[3]; and test $state[2] -gt $argv[2]
end

# KIND: what the program itself has to offer.
function __mneme_dynamic
    mneme __complete $argv[1] -- (commandline -opc)[2..] 2>/dev/null </dev/null
end

complete -c mneme -f
complete -c mneme -n '__mneme_at ""' -a put -d 'store an answer'
complete -c mneme -n '__mneme_at ""' -a get -d 'print the answer to a question'
complete -c mneme -n '__mneme_at ""' -a delete -d 'remove answers by question or id'
complete -c mneme -n '__mneme_at ""' -a stats -d 'show totals and a row for each namespace'
complete -c mneme -n '__mneme_at ""' -a health -d 'say whether the cache and its server are sound'
complete -c mneme -n '__mneme_at ""' -a inspect-keys -d 'show what the prefix holds, by key family'
complete -c mneme -n '__mneme_at ""' -a vacuum -d 'remove expired entries'
complete -c mneme -n '__mneme_at ""' -a set-quota -d 'cap a namespace, or show its cap'
complete -c mneme -n '__mneme_at ""' -a clear -d 'empty namespaces'
complete -c mneme -n '__mneme_at ""' -a export -d 'write entries as JSON lines or CSV'
complete -c mneme -n '__mneme_at ""' -a import -d 'store entries from JSON lines'
complete -c mneme -n '__mneme_at ""' -a calibrate -d 'find the threshold for an embedder'
complete -c mneme -n '__mneme_at ""' -a reembed -d 'copy a cache into another prefix, embedded anew'
complete -c mneme -n '__mneme_at ""' -a demo -d 'take a tour on a private redis-server'
complete -c mneme -n '__mneme_at ""' -a completions -d 'print the completion script for a shell'
complete -c mneme -n '__mneme_at ""' -a snapshot -d 'refused: Redis keeps snapshots itself'
complete -c mneme -n '__mneme_at ""' -a dumps -d 'refused: Redis keeps snapshots itself'
complete -c mneme -n '__mneme_at ""' -a restore -d 'refused: Redis keeps snapshots itself'
complete -c mneme -n '__mneme_at ""' -a loads -d 'refused: Redis keeps snapshots itself'
complete -c mneme -n '__mneme_at ""' -a help -d 'explain the program or one of its commands'
complete -c mneme -s u -l url -x -d 'the Redis server'
complete -c mneme -s p -l key-prefix -x -d 'the prefix under which all keys of the cache live'
complete -c mneme -l password-file -r -F -d 'a file whose first line is the password'
complete -c mneme -l askpass -d 'ask for the password on the terminal'
complete -c mneme -l cacert -r -F -d 'a PEM file of the authorities to trust'
complete -c mneme -l cert -r -F -d 'a PEM file of our certificate, where the server asks for one'
complete -c mneme -l key -r -F -d 'a PEM file of the key to --cert'
complete -c mneme -l insecure -d 'accept any certificate'
complete -c mneme -l connect-timeout -x -d 'how long connecting may take'
complete -c mneme -l timeout -x -d 'how long the server may stay silent'
complete -c mneme -l json -d 'print JSON: one object, errors too'
complete -c mneme -s q -l quiet -d 'print results and errors, and nothing else'
complete -c mneme -s v -l verbose -d 'say on standard error what is done'
complete -c mneme -l color -x -a 'auto always never' -d 'use bold type'
complete -c mneme -l progress -x -a 'auto always never' -d 'show how far a long run has come'
complete -c mneme -s h -l help -d 'print all of the help, or with \'-h\' a screenful'
complete -c mneme -l version -d 'print the version and exit'

complete -c mneme -n '__mneme_at put' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'the namespace'
complete -c mneme -n '__mneme_at put' -l ttl -x -d 'for how long the entry lives'
complete -c mneme -n '__mneme_at put' -l metadata -x -d 'a JSON object to keep with the answer'
complete -c mneme -n '__mneme_at put' -l response-file -r -F -d 'read the answer from a file, \'-\' for standard input'
complete -c mneme -n '__mneme_at put' -l native-ttl -d 'let Redis itself expire what has a time to live'
complete -c mneme -n '__mneme_at put' -l max-entries -x -d 'the most entries in the whole cache'
complete -c mneme -n '__mneme_at put' -l no-normalize -d 'take the query as it is'
complete -c mneme -n '__mneme_at put' -l embedding -r -F -d 'a file with the query\'s vector'
complete -c mneme -n '__mneme_at put' -l embedder -x -d 'the embedder, by its fingerprint'
complete -c mneme -n '__mneme_at put' -l embedder-command -x -d 'a program that makes the vectors'
complete -c mneme -n '__mneme_at put' -l embedder-file -r -F -d 'a file of vectors that were made beforehand'
complete -c mneme -n '__mneme_at put' -l embedder-timeout -x -d 'how long embedding one batch of texts may take'

complete -c mneme -n '__mneme_at get' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'the namespace'
complete -c mneme -n '__mneme_at get' -l exact -d 'only the same question, none that means the same'
complete -c mneme -n '__mneme_at get' -l threshold -x -d 'the least similarity of an answer by meaning'
complete -c mneme -n '__mneme_at get' -l min-confidence -x -d 'the least confidence of an answer by meaning'
complete -c mneme -n '__mneme_at get' -l peek -d 'touch nothing'
complete -c mneme -n '__mneme_at get' -l explain -d 'say what came near, and why it was or was not served'
complete -c mneme -n '__mneme_at get' -l nearest -x -d 'how many candidates --explain shows'
complete -c mneme -n '__mneme_at get' -l no-normalize -d 'take the query as it is'
complete -c mneme -n '__mneme_at get' -l no-index-cache -d 'keep no vectors on this machine'
complete -c mneme -n '__mneme_at get' -l embedding -r -F -d 'a file with the query\'s vector'
complete -c mneme -n '__mneme_at get' -l embedder -x -d 'the embedder, by its fingerprint'
complete -c mneme -n '__mneme_at get' -l embedder-command -x -d 'a program that makes the vectors'
complete -c mneme -n '__mneme_at get' -l embedder-file -r -F -d 'a file of vectors that were made beforehand'
complete -c mneme -n '__mneme_at get' -l embedder-timeout -x -d 'how long embedding one batch of texts may take'

complete -c mneme -n '__mneme_at delete' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'the namespace'
complete -c mneme -n '__mneme_at delete' -l id -x -d 'an entry by its id, as \'get --json\' shows it'
complete -c mneme -n '__mneme_at delete' -l dry-run -d 'say what would be done, and do nothing'
complete -c mneme -n '__mneme_at delete' -l no-normalize -d 'take the query as it is'

complete -c mneme -n '__mneme_at stats' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'only this namespace'
complete -c mneme -n '__mneme_at stats' -l prometheus -d 'print metrics for Prometheus'

complete -c mneme -n '__mneme_at health' -l expect-backups -d 'a server that keeps nothing on disk is not healthy'

complete -c mneme -n '__mneme_at inspect-keys' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'only this namespace'
complete -c mneme -n '__mneme_at inspect-keys' -l list -d 'print one key a line'
complete -c mneme -n '__mneme_at inspect-keys' -l family -x -a 'meta version next_id entry hash lru by_id by_ttl namespaces counters quotas quota' -d 'only the keys of this family'
complete -c mneme -n '__mneme_at inspect-keys' -l limit -x -d 'end after so many keys'
complete -c mneme -n '__mneme_at inspect-keys' -l sample -x -a 'all' -d 'how many keys of each family have their memory measured'
complete -c mneme -n '__mneme_at inspect-keys' -l top -x -d 'name the largest keys, among those measured'
complete -c mneme -n '__mneme_at inspect-keys' -l check -d 'hold each entry and index against the others'
complete -c mneme -n '__mneme_at inspect-keys' -l discover -d 'find every cache on the server'
complete -c mneme -n '__mneme_at inspect-keys' -l pace -x -d 'a pause between batches, for a busy server'

complete -c mneme -n '__mneme_at vacuum' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'only this namespace'
complete -c mneme -n '__mneme_at vacuum' -l dry-run -d 'say what would be done, and do nothing'
complete -c mneme -n '__mneme_at vacuum' -l batch-size -x -d 'how many entries one transaction stores or removes'
complete -c mneme -n '__mneme_at vacuum' -l max-duration -x -d 'end after this time, with status 75'
complete -c mneme -n '__mneme_at vacuum' -l repair -d 'also mend what \'mneme inspect-keys --check\' finds'
complete -c mneme -n '__mneme_at vacuum' -l pace -x -d 'a pause between batches, for a busy server'

complete -c mneme -n '__mneme_at set-quota' -l remove -d 'take the quota away'
complete -c mneme -n '__mneme_at set-quota' -l evict -d 'bring the namespace under its quota now'
complete -c mneme -n '__mneme_at set-quota' -l dry-run -d 'say what would be done, and do nothing'
complete -c mneme -n '__mneme_at set-quota' -l pace -x -d 'a pause between batches, for a busy server'
complete -c mneme -n '__mneme_at set-quota 0' -x -a '(__mneme_dynamic namespaces)'

complete -c mneme -n '__mneme_at clear' -l all -d 'empty every namespace of the prefix'
complete -c mneme -n '__mneme_at clear' -s y -l yes -d 'do not ask'
complete -c mneme -n '__mneme_at clear' -l dry-run -d 'say what would be done, and do nothing'
complete -c mneme -n '__mneme_at clear' -l pace -x -d 'a pause between batches, for a busy server'
complete -c mneme -n '__mneme_at clear 0 more' -x -a '(__mneme_dynamic namespaces)'

complete -c mneme -n '__mneme_at export' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'only this namespace'
complete -c mneme -n '__mneme_at export' -s o -l output -r -F -d 'write to a file, which appears whole or not at all'
complete -c mneme -n '__mneme_at export' -l format -x -a 'jsonl csv' -d 'one JSON object a line, or CSV for a spreadsheet'
complete -c mneme -n '__mneme_at export' -l embeddings -x -a 'none base64 array' -d 'how vectors are written'
complete -c mneme -n '__mneme_at export' -l since-id -x -d 'only entries with a greater id'
complete -c mneme -n '__mneme_at export' -l include-expired -d 'also what is expired and not swept yet'
complete -c mneme -n '__mneme_at export' -l pace -x -d 'a pause between batches, for a busy server'

complete -c mneme -n '__mneme_at import' -s n -l namespace -x -a '(__mneme_dynamic namespaces)' -d 'put every entry into this namespace'
complete -c mneme -n '__mneme_at import' -l on-conflict -x -a 'replace skip fail' -d 'what to do with a question that is there already'
complete -c mneme -n '__mneme_at import' -l since-line -x -d 'only what comes after this line'
complete -c mneme -n '__mneme_at import' -l native-ttl -d 'let Redis itself expire what has a time to live'
complete -c mneme -n '__mneme_at import' -l max-entries -x -d 'the most entries in the whole cache'
complete -c mneme -n '__mneme_at import' -l dry-run -d 'say what would be done, and do nothing'
complete -c mneme -n '__mneme_at import' -l batch-size -x -d 'how many entries one transaction stores or removes'
complete -c mneme -n '__mneme_at import' -l pace -x -d 'a pause between batches, for a busy server'
complete -c mneme -n '__mneme_at import' -l embedder -x -d 'the embedder, by its fingerprint'
complete -c mneme -n '__mneme_at import' -l embedder-command -x -d 'a program that makes the vectors'
complete -c mneme -n '__mneme_at import' -l embedder-file -r -F -d 'a file of vectors that were made beforehand'
complete -c mneme -n '__mneme_at import' -l embedder-timeout -x -d 'how long embedding one batch of texts may take'
complete -c mneme -n '__mneme_at import 0' -r -F

complete -c mneme -n '__mneme_at calibrate' -l paraphrases -r -F -d 'a file of pairs that mean the same'
complete -c mneme -n '__mneme_at calibrate' -l distractors -r -F -d 'a file of pairs that do not, likewise'
complete -c mneme -n '__mneme_at calibrate' -l labelled -r -F -d 'a CSV of texts and labels to draw pairs from'
complete -c mneme -n '__mneme_at calibrate' -l pairs -x -d 'how many pairs of each kind to draw'
complete -c mneme -n '__mneme_at calibrate' -l seed -x -d 'which pairs are drawn'
complete -c mneme -n '__mneme_at calibrate' -l metric -x -a 'f1 precision recall' -d 'what the threshold is to be best at'
complete -c mneme -n '__mneme_at calibrate' -l min-precision -x -d 'the least share of right answers'
complete -c mneme -n '__mneme_at calibrate' -l min-recall -x -d 'the least share of matches served'
complete -c mneme -n '__mneme_at calibrate' -l vectors -x -a 'float32 int8' -d 'the form of vector that is searched'
complete -c mneme -n '__mneme_at calibrate' -l format -x -a 'text csv' -d 'a table, or CSV'
complete -c mneme -n '__mneme_at calibrate' -l no-normalize -d 'take the query as it is'
complete -c mneme -n '__mneme_at calibrate' -l embedder -x -d 'the embedder, by its fingerprint'
complete -c mneme -n '__mneme_at calibrate' -l embedder-command -x -d 'a program that makes the vectors'
complete -c mneme -n '__mneme_at calibrate' -l embedder-file -r -F -d 'a file of vectors that were made beforehand'
complete -c mneme -n '__mneme_at calibrate' -l embedder-timeout -x -d 'how long embedding one batch of texts may take'

complete -c mneme -n '__mneme_at reembed' -l native-ttl -d 'let Redis itself expire what has a time to live'
complete -c mneme -n '__mneme_at reembed' -l no-normalize -d 'take the query as it is'
complete -c mneme -n '__mneme_at reembed' -l pace -x -d 'a pause between batches, for a busy server'
complete -c mneme -n '__mneme_at reembed' -l embedder -x -d 'the embedder, by its fingerprint'
complete -c mneme -n '__mneme_at reembed' -l embedder-command -x -d 'a program that makes the vectors'
complete -c mneme -n '__mneme_at reembed' -l embedder-file -r -F -d 'a file of vectors that were made beforehand'
complete -c mneme -n '__mneme_at reembed' -l embedder-timeout -x -d 'how long embedding one batch of texts may take'

complete -c mneme -n '__mneme_at completions 0' -x -a 'bash zsh fish'

complete -c mneme -n '__mneme_at snapshot 0' -r -F

complete -c mneme -n '__mneme_at dumps 0' -r -F

complete -c mneme -n '__mneme_at restore 0' -r -F

complete -c mneme -n '__mneme_at loads 0' -r -F

complete -c mneme -n '__mneme_at help 0' -x -a 'put get delete stats health inspect-keys vacuum set-quota clear export import calibrate reembed demo completions snapshot dumps restore loads help'
