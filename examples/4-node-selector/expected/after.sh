#!/bin/sh
# Finishes the change once README.txt's second step is done.
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
ROLLOUT_TIMEOUT="${ROLLOUT_TIMEOUT:-780}"
daemonset=openelb-speaker
states=after/after-states.txt
. ./functions.sh

expect 'The DaemonSet is not as values.yaml asks: run helm upgrade with it, then this script again.' 'DaemonSet openelb-speaker' '{.spec.template.spec.nodeSelector} {.spec.template.spec.affinity} {.spec.template.spec.tolerations}' daemonsets.apps openelb-speaker -n openelb-system

wait_speakers after/speakers.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'
wait_sessions after/sessions.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'

say 'done: see README.txt for what is left'
