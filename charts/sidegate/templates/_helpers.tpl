{{- define "sidegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough that `-credentials` and the like still fit into 63 characters. */ -}}
{{- define "sidegate.fullname" -}}
{{- $name := include "sidegate.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sidegate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sidegate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* What selects the pods. Selectors cannot be changed, so nothing that an upgrade changes is in it. */ -}}
{{- define "sidegate.selector" -}}
app.kubernetes.io/name: {{ include "sidegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: decisions
{{- end -}}

{{- define "sidegate.testSelector" -}}
app.kubernetes.io/name: {{ include "sidegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

{{- define "sidegate.versionLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sidegate
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* The labels of an object; those of `commonLabels` never replace ours. */ -}}
{{- define "sidegate.labels" -}}
{{- $own := merge (include "sidegate.selector" . | fromYaml) (include "sidegate.versionLabels" . | fromYaml) -}}
{{- $chart := dict "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) -}}
{{- toYaml (merge $own $chart .Values.commonLabels) -}}
{{- end -}}

{{- /* Those of a pod. The version of the chart is not among them: it alone restarts nothing. */ -}}
{{- define "sidegate.podLabels" -}}
{{- $own := merge (include "sidegate.selector" . | fromYaml) (include "sidegate.versionLabels" . | fromYaml) -}}
{{- toYaml (merge $own (tpl (toYaml .Values.podLabels) . | fromYaml) .Values.commonLabels) -}}
{{- end -}}

{{- /*
The metadata of an object. Takes {root, name}, and may take {labels, annotations, namespace}, {cluster}
for an object of no namespace, and {component} for a pod that is no server.
*/ -}}
{{- define "sidegate.metadata" -}}
{{- $labels := merge (include "sidegate.labels" .root | fromYaml) (default dict .labels) -}}
{{- with .component -}}
{{- $_ := set $labels "app.kubernetes.io/component" . -}}
{{- end -}}
{{- $annotations := mergeOverwrite (dict) .root.Values.commonAnnotations (default dict .annotations) -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ default .root.Release.Namespace .namespace }}
{{- end }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sidegate.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := .Values.image.repository -}}
{{- if $registry -}}
{{- $name = printf "%s/%s" $registry $name -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "sidegate.bundleConfigMap" -}}
{{- if .Values.bundle.inline -}}
{{- include "sidegate.fullname" . }}-bundle
{{- else -}}
{{- .Values.bundle.configMap -}}
{{- end -}}
{{- end -}}

{{- define "sidegate.credentialsSecret" -}}
{{- if .Values.credentials.inline -}}
{{- include "sidegate.fullname" . }}-credentials
{{- else -}}
{{- .Values.credentials.existingSecret -}}
{{- end -}}
{{- end -}}

{{- /* `true` when something of the user's own stands where the bundle is read. */ -}}
{{- define "sidegate.bundleMounted" -}}
{{- range .Values.extraVolumeMounts -}}
{{- if eq (default "" .mountPath) "/etc/sidegate/bundle" -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The settings: those of the user over what the shape of the pod asks for. */ -}}
{{- define "sidegate.config" -}}
{{- $shape := dict
      "bundle" (dict "directory" "/etc/sidegate/bundle")
      "decisions" (dict "address" "[::]:9191")
      "admin" (dict "address" "[::]:9193")
      "http" (dict "address" (ternary "[::]:9192" "off" .Values.sts.enabled)) -}}
{{- if include "sidegate.credentialsSecret" . -}}
{{- $_ := set $shape "credentials" (dict "directory" "/etc/sidegate/credentials") -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $shape (deepCopy .Values.config)) -}}
{{- end -}}

{{- /* What of the settings is read at the start alone; the rest needs no new pods. */ -}}
{{- define "sidegate.configAtStart" -}}
{{- $config := include "sidegate.config" . | fromYaml -}}
{{- if hasKey $config "log" -}}
{{- $_ := unset $config.log "level" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* A duration of the settings in milliseconds. */ -}}
{{- define "sidegate.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- mul (int64 $number) (get $units (trimPrefix $number .)) -}}
{{- end -}}

{{- /* Refuses values that are good each by itself and not together. */ -}}
{{- define "sidegate.validate" -}}
{{- $drain := default dict .Values.config.drain -}}
{{- $delay := include "sidegate.milliseconds" (default "5s" $drain.delay) | int64 -}}
{{- $max := include "sidegate.milliseconds" (default "20s" $drain.max) | int64 -}}
{{- if le (mul 1000 (int64 .Values.terminationGracePeriodSeconds)) (add $delay $max) -}}
{{- fail "terminationGracePeriodSeconds: has to be longer than config.drain.delay and config.drain.max together, or checks in progress are cut off" -}}
{{- end -}}
{{- $credentials := default dict .Values.config.credentials -}}
{{- if and (include "sidegate.credentialsSecret" .) $credentials.directory -}}
{{- fail "config.credentials.directory: is for credentials that extraVolumes brings, and credentials.existingSecret or credentials.inline is set as well" -}}
{{- end -}}
{{- $http := default dict .Values.config.http -}}
{{- if .Values.sts.enabled -}}
{{- if not (or (include "sidegate.credentialsSecret" .) $credentials.directory) -}}
{{- fail "sts.enabled: the token service needs token-keys.json: set credentials.existingSecret" -}}
{{- end -}}
{{- if eq (default "" $http.address) "off" -}}
{{- fail "config.http.address: sts.enabled opens the HTTP door, and this closes it" -}}
{{- end -}}
{{- else if ne (default "off" $http.address) "off" -}}
{{- fail "config.http.address: the HTTP door is opened by sts.enabled, which also gives it a port of the Service" -}}
{{- end -}}
{{- if eq .Values.mode "daemonset" -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled: a DaemonSet has one pod for each node" -}}
{{- end -}}
{{- if .Values.service.headless -}}
{{- fail "service.headless: pods of a DaemonSet are asked by their own node, and a headless Service would give the addresses of all" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas: is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.rbac.tokenReview (not .Values.networkPolicy.apiServer) -}}
{{- fail "networkPolicy.apiServer: rbac.tokenReview asks the API server, and no address of it is let through" -}}
{{- end -}}
{{- end -}}

{{- define "sidegate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sidegate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Where pods may run; the test runs there, too. */ -}}
{{- define "sidegate.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if not .Values.hostUsers }}
hostUsers: false
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end -}}
