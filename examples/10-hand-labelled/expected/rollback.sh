#!/bin/sh
# Takes back what apply.sh has done, all or a part of it; nothing is removed before what was there is up again.
# shellcheck disable=SC1091,SC2016,SC2034 # what is set here is for functions.sh, and the templates for kubectl
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
daemonset=openelb-speaker
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
states=rollback/rollback-states.txt
gone=skip
. ./functions.sh

say 'label the nodes again that had the label, so that the speakers that were stopped start'
label rollback/10-label-nodes.txt example.com/bgp=yes

wait_speakers rollback/speakers.txt 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'
wait_sessions rollback/sessions.txt 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'

say 'give the nodes the speaker labels that they had before'
unlabel rollback/20-unlabel-nodes.txt example.com/bgp

say 'done: all changes were rolled back'
