#compdef wxtp-admin
# Completion for zsh: wxtp-admin itself knows its commands, options, tenants and jobs.
local -a candidates
candidates=(${(f)"$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
if (( ${#candidates} )); then
    compadd -a -- candidates
else
    _files
fi
