# Completion of mneme in fish: mneme itself answers what can be typed at the cursor.
function __mneme_candidates
    set -l token (commandline -ct)
    set -l answer (mneme __complete fish (commandline -opc)[2..] "$token" 2>/dev/null </dev/null)
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

complete -c mneme -f -a '(__mneme_candidates)'
