# /etc/bash.bashrc: read by interactive bash.

if [ "${PS1-}" ]; then
  shopt -s checkwinsize
  PS1='\w \$ '
fi
