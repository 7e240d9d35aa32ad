{{/* The release's name, with the chart's where that is not said by it. */}}
{{- define "deposit-watcher.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $whole | trunc 48 | trimSuffix "-" -}}
{{- end }}

{{/* By what the pods of a component are found: (dict "root" . "component" "api"). Never changes. */}}
{{- define "deposit-watcher.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "deposit-watcher.labels" -}}
{{ include "deposit-watcher.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "deposit-watcher.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{/* What every pod is held to. */}}
{{- define "deposit-watcher.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # So that the mounted secrets can be read.
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "deposit-watcher.container" -}}
image: {{ include "deposit-watcher.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
env:
  - { name: DEPOSIT_WATCHER__DATABASE__URL_FILE, value: /run/secrets/deposit-watcher/database-url }
  - { name: DEPOSIT_WATCHER__API__SEALING_KEY_FILE, value: /run/secrets/deposit-watcher/sealing-key }
  - { name: DEPOSIT_WATCHER__HTTP__LISTEN, value: "0.0.0.0:8080" }
  - { name: DEPOSIT_WATCHER__HTTP__PUBLIC_URL, value: {{ .Values.publicUrl | quote }} }
  - { name: DEPOSIT_WATCHER__ADMIN__LISTEN, value: "0.0.0.0:9464" }
  - { name: DEPOSIT_WATCHER__ADMIN__API_LISTEN, value: "0.0.0.0:9464" }
  {{- range $name, $value := .Values.env }}
  - { name: {{ $name }}, value: {{ $value | quote }} }
  {{- end }}
{{- end }}

{{/* Whether it lives is asked to restart it, whether it is ready only to send it nothing. */}}
{{- define "deposit-watcher.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 2
{{- end }}

{{- define "deposit-watcher.mounts" -}}
- { name: config, mountPath: /etc/deposit-watcher, readOnly: true }
- { name: secrets, mountPath: /run/secrets/deposit-watcher, readOnly: true }
{{- end }}

{{- define "deposit-watcher.secrets" -}}
- name: secrets
  secret: { secretName: {{ .Values.existingSecret | quote }}, defaultMode: 0440 }
{{- end }}

{{- define "deposit-watcher.volumes" -}}
- name: config
  configMap: { name: {{ include "deposit-watcher.name" . }} }
{{ include "deposit-watcher.secrets" . }}
{{- end }}

{{/* Where its pods go: (dict "root" . "component" "api" "values" .Values.api). Not all on one machine. */}}
{{- define "deposit-watcher.placing" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "deposit-watcher.selector" . | nindent 8 }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
