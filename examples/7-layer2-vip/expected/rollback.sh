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

say 'keep the DaemonSet from restarting its pods by itself'
patch_merge rollback/10-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

say 'label the nodes again that had the label, so that the speakers that were stopped start'
label rollback/20-label-nodes.txt bgp-speakers/speaker=true

say 'give the DaemonSet the template that it had before; its speakers restart in rounds'
patch_merge rollback/30-1-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system
restart_speakers rollback/30-2-restart-nodes.txt rollback/speakers.txt '' 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'

settle

wait_speakers rollback/speakers.txt 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'

say 'give the DaemonSet its own update strategy again'
patch_merge rollback/40-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

say 'give the nodes the speaker labels that they had before'
unlabel rollback/50-unlabel-nodes.txt bgp-speakers/speaker

say 'done: all changes were rolled back'
