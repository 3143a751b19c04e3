# Before SIGTERM, which ends Envoy at once: let every connection end with its next answer, and wait for those under way.
# Usage: bash -c <this text> drain <admin port> <quiet seconds>. The kubelet ends it when the pod's grace is over.
ask() {
  exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 0 # Envoy has ended
  printf '%s HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n' "$2" >&3
  cat <&3
}

ask "$1" "POST /healthcheck/fail" >/dev/null
quiet=0
while ((quiet < $2)); do # so long clients may still be sent here: not everybody knows at once that the pod ends
  sleep 1
  [[ $(ask "$1" "GET /stats?filter=^http.requests.downstream_rq_active$") =~ active:\ ([0-9]+) ]] || exit 0
  ((BASH_REMATCH[1])) && quiet=0 || ((quiet += 1))
done
