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

say 'take back: let the DaemonSet restart its pods by itself again; none is outdated'
patch_merge rollback/10-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

say 'take back: keep other pods off the speakers'"'"' nodes'
untaint rollback/20-untaint-nodes.txt bgp-speakers/speaker

say 'take back: stop the speakers that are no longer needed'
label rollback/30-label-nodes.txt bgp-speakers/speaker=true

say 'take back: let the DaemonSet run where the label is; no pod is restarted'
patch_json rollback/40-1-patch-daemonset-openelb-speaker.yaml '{.spec.template.spec.nodeSelector} {.spec.template.spec.affinity} {.spec.template.spec.tolerations}' daemonsets.apps openelb-speaker -n openelb-system
restart_speakers rollback/40-2-restart-nodes.txt rollback/speakers.txt rollback/sessions.txt 'Find out why, then run this script again; TIMEOUT=0 goes on without waiting.'

settle

wait_speakers rollback/speakers.txt 'Find out why, then run this script again; TIMEOUT=0 goes on without waiting.'
wait_sessions rollback/sessions.txt 'Find out why, then run this script again; TIMEOUT=0 goes on without waiting.'

say 'take back: keep the DaemonSet from restarting its pods by itself'
patch_merge rollback/50-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

say 'take back: label the nodes of the chosen speakers and, for now, of those that leave'
unlabel rollback/60-unlabel-nodes.txt bgp-speakers/speaker

say 'done: all changes were rolled back'
