#!/bin/sh
# Brings the speakers and their sessions to the placement; nothing is removed before what replaces it is up.
# Can be run again after an interruption. See functions.sh for the environment that it looks at.
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
ROLLOUT_TIMEOUT="${ROLLOUT_TIMEOUT:-660}"
daemonset=openelb-speaker
states=apply-states.txt
. ./functions.sh

say 'start the new speakers'
label 10-label-nodes.txt bgp-speakers/speaker=true

wait_speakers speakers.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'
wait_sessions sessions.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'

say 'let the DaemonSet run where the label is; its pods restart one at a time'
patch_merge 20-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

wait_speakers speakers.txt 'All changes have been made, but this is not as it should be; rollback.sh takes them back.'
wait_sessions sessions.txt 'All changes have been made, but this is not as it should be; rollback.sh takes them back.'

say 'done: the speakers and their sessions are as in the placement'
