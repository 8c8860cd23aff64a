#!/bin/sh
# Prepares the nodes; see README.txt for what comes next.
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
ROLLOUT_TIMEOUT="${ROLLOUT_TIMEOUT:-780}"
daemonset=openelb-speaker
states=nodes-before/nodes-before-states.txt
. ./functions.sh

say 'start the new speakers'
label nodes-before/10-label-nodes.txt bgp-speakers/speaker=true

wait_speakers nodes-before/speakers.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'
wait_sessions nodes-before/sessions.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'

say 'done: see README.txt for the next step'
