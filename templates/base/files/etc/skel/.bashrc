# ~/.bashrc: read by interactive bash and, through /etc/profile, by every command that a client runs.
# Lines appended here therefore reach both; keep what only a terminal needs inside the condition.

case $- in
  *i*)
    HISTCONTROL=ignoreboth
    HISTSIZE=1000
    HISTFILESIZE=2000
    shopt -s histappend checkwinsize
    alias ls='ls --color=auto'
    alias grep='grep --color=auto'
    ;;
esac
