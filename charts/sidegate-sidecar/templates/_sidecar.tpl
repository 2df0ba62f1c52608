{{- /*
All of these take the values of this chart, `.Values.sidegate` where it is imported under the alias
`sidegate`.
*/ -}}

{{- define "sidegate-sidecar.image" -}}
{{- $registry := default .image.registry (default dict .global).imageRegistry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}
{{- $name = printf "%s/%s" $registry $name -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name .image.tag -}}
{{- end -}}
{{- end -}}

{{- /* An item of `initContainers`, to stand before every container that needs decisions. */ -}}
{{- define "sidegate-sidecar.container" -}}
- name: sidegate
  image: {{ include "sidegate-sidecar.image" . }}
  imagePullPolicy: {{ .image.pullPolicy }}
  restartPolicy: Always
  args: [serve, --config, /etc/sidegate/config/config.yaml]
  # What the mounts and probes below rely on. Variables go over the file, which has the rest.
  env:
    - name: SIDEGATE_BUNDLE_DIRECTORY
      value: /etc/sidegate/bundle
    - name: SIDEGATE_CREDENTIALS_DIRECTORY
      value: /etc/sidegate/credentials
    - name: SIDEGATE_DECISIONS_ADDRESS
      value: unix:/run/sidegate/sidegate.sock
    - name: SIDEGATE_ADMIN_ADDRESS
      value: {{ printf "%s:9193" .adminAddress | quote }}
    - name: SIDEGATE_RUNTIME_THREADS
      value: {{ .threads | quote }}
  ports:
    - name: sidegate-admin
      containerPort: 9193
  # The containers after it start when policies are in force. It is waited for long: what is wrong
  # with a bundle is mended by another bundle, not by another start.
  startupProbe:
    httpGet: {path: /readyz, port: sidegate-admin}
    periodSeconds: 1
    failureThreshold: 600
  livenessProbe:
    httpGet: {path: /livez, port: sidegate-admin}
    periodSeconds: 10
  readinessProbe:
    httpGet: {path: /readyz, port: sidegate-admin}
    periodSeconds: 5
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # Whole, for the pod around it may say less.
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    - name: sidegate-run
      mountPath: /run/sidegate
    - name: sidegate-config
      mountPath: /etc/sidegate/config
      readOnly: true
    - name: sidegate-bundle
      mountPath: /etc/sidegate/bundle
      readOnly: true
    - name: sidegate-credentials
      mountPath: /etc/sidegate/credentials
      readOnly: true
{{- end -}}

{{- /* Items of `volumes`. */ -}}
{{- define "sidegate-sidecar.volumes" -}}
- name: sidegate-run
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
- name: sidegate-config
  configMap:
    name: {{ .configMap }}
- name: sidegate-bundle
  configMap:
    name: {{ .bundle.configMap }}
- name: sidegate-credentials
  secret:
    secretName: {{ .credentials.secret }}
    defaultMode: 0440
    optional: true
{{- if .podCredentials.enabled }}
- name: sidegate-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          audience: sidegate
          expirationSeconds: 3600
{{- end }}
{{- end -}}

{{- /*
The `securityContext` of the pod. The group owns the socket and the secrets, so that the proxy reaches
the one and the sidecar reads the others.
*/ -}}
{{- define "sidegate-sidecar.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* An item of `volumeMounts` of the proxy: the socket at /run/sidegate/sidegate.sock. */ -}}
{{- define "sidegate-sidecar.socketMount" -}}
- name: sidegate-run
  mountPath: /run/sidegate
{{- end -}}

{{- /* Items of `env` of a container that wants credentials. Nothing unless `podCredentials.enabled`. */ -}}
{{- define "sidegate-sidecar.credentialsEnv" -}}
{{- if .podCredentials.enabled -}}
- name: AWS_CONTAINER_CREDENTIALS_FULL_URI
  value: http://127.0.0.1:4570/v1/credentials
- name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  value: /var/run/secrets/sidegate/token
{{- end -}}
{{- end -}}

{{- /* The item of `volumeMounts` that goes with it. */ -}}
{{- define "sidegate-sidecar.tokenMount" -}}
{{- if .podCredentials.enabled -}}
- name: sidegate-token
  mountPath: /var/run/secrets/sidegate
  readOnly: true
{{- end -}}
{{- end -}}

{{- /* The text of config.yaml, for the ConfigMap that `configMap` names. */ -}}
{{- define "sidegate-sidecar.config" -}}
{{- $config := deepCopy .config -}}
{{- if .podCredentials.enabled -}}
{{- $config = mustMergeOverwrite (dict "pods" (dict "address" "127.0.0.1:4570")) $config -}}
{{- if ne $config.pods.address "127.0.0.1:4570" -}}
{{- fail "config.pods.address: podCredentials.enabled tells containers 127.0.0.1:4570" -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /*
An annotation of the pod, so that a changed setting makes new pods. The level of the log is followed,
and so are the bundle and the credentials: none of them is in it.
*/ -}}
{{- define "sidegate-sidecar.configChecksum" -}}
{{- $config := include "sidegate-sidecar.config" . | fromYaml -}}
{{- if hasKey $config "log" -}}
{{- $_ := unset $config.log "level" -}}
{{- end -}}
checksum/sidegate-config: {{ toYaml $config | sha256sum }}
{{- end -}}
