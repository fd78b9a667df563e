# Completion for bash: wxtp-admin itself knows its commands, options, tenants and jobs.
_wxtp_admin()
{
    local current="${COMP_WORDS[COMP_CWORD]}"
    mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 0)); then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _wxtp_admin wxtp-admin
