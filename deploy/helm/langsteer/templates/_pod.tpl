{{/* Parts of the pod. */}}

{{/* Of `langsteer serve`, which the image runs. */}}
{{- define "langsteer.args" -}}
- {{ .Values.model.name | quote }}
- --profiles={{ include "langsteer.profilesPath" . }}
- --host=0.0.0.0
- --port=8000
- --shutdown-timeout={{ int .Values.drain.requestsSeconds }}
- --max-strength={{ .Values.serve.maxStrength }}
- --column-headroom={{ int .Values.serve.columnHeadroom }}
- --memory-headroom={{ int .Values.serve.memoryHeadroom }}
- --monitor={{ .Values.serve.monitor }}
- {{ ternary "--playground" "--no-playground" .Values.serve.playground }}
{{- if .Values.serve.modelAliases }}
- --model-aliases
{{- end }}
{{- if include "langsteer.policy" . }}
- --policy=/etc/langsteer/policy/policy.yaml
{{- end }}
{{- if include "langsteer.access" . }}
- --access=/etc/langsteer/access/access.yaml
{{- end }}
{{- if .Values.profiles.publicKey }}
- --profile-key=/etc/langsteer/profile-key/profiles.pub
{{- end }}
{{- if .Values.tls.existingSecret }}
- --ssl-certfile=/etc/langsteer/tls/tls.crt
- --ssl-keyfile=/etc/langsteer/tls/tls.key
- --enable-ssl-refresh
{{- end }}
{{- if lt 1 (int .Values.tensorParallelSize) }}
- --tensor-parallel-size={{ int .Values.tensorParallelSize }}
{{- end }}
{{- with .Values.model.servedNames }}
- --served-model-name
{{- range . }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- range .Values.serve.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Where what is written goes, as the root file system is read-only; shared by server and init container. */}}
{{- define "langsteer.cacheEnv" -}}
- {name: HOME, value: /cache}
- {name: XDG_CACHE_HOME, value: /cache}
- {name: XDG_CONFIG_HOME, value: /cache/config}
- {name: HF_HOME, value: /cache/huggingface}
- {name: LANGSTEER_CACHE, value: /cache/langsteer}
- {name: VLLM_CACHE_ROOT, value: /cache/vllm}
- {name: VLLM_CONFIG_ROOT, value: /cache/config/vllm}
- {name: TORCHINDUCTOR_CACHE_DIR, value: /cache/inductor}
- {name: TRITON_CACHE_DIR, value: /cache/triton}
- {name: FLASHINFER_WORKSPACE_BASE, value: /cache/flashinfer}
- {name: CUDA_CACHE_PATH, value: /cache/cuda}
{{- end -}}

{{- define "langsteer.hubEnv" -}}
{{- with .Values.model.token }}
{{- if .existingSecret }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "langsteer.env" -}}
{{ include "langsteer.cacheEnv" . }}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
{{- if .Values.model.offline }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}
{{- if eq "cpu" .Values.device }}
- {name: VLLM_CPU_KVCACHE_SPACE, value: {{ int .Values.cpu.kvCacheGiB | quote }}}
- {name: VLLM_CPU_OMP_THREADS_BIND, value: {{ .Values.cpu.threadsBind | quote }}}
{{- end }}
{{- with .Values.apiKey }}
{{- if .existingSecret }}
- name: VLLM_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}
{{- end }}
{{- end }}
{{- include "langsteer.hubEnv" . }}
{{- end -}}

{{/*
Policy and access files are mounted as folders: of a `subPath` Kubernetes would never bring the changes.
*/}}
{{- define "langsteer.fileMounts" -}}
{{- if include "langsteer.policy" . }}
- {name: policy, mountPath: /etc/langsteer/policy, readOnly: true}
{{- end }}
{{- if include "langsteer.access" . }}
- {name: access, mountPath: /etc/langsteer/access, readOnly: true}
{{- end }}
{{- if eq "volume" .Values.profiles.source }}
- name: profiles
  mountPath: /profiles
  readOnly: true
  {{- with .Values.profiles.volume.subPath }}
  subPath: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "langsteer.mounts" -}}
- {name: cache, mountPath: /cache}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- include "langsteer.fileMounts" . }}
{{- if eq "pull" .Values.profiles.source }}
- {name: profiles, mountPath: /profiles, readOnly: true}
{{- end }}
{{- with .Values.model.volume }}
{{- if .existingClaim }}
- name: model
  mountPath: {{ .mountPath | quote }}
  readOnly: true
  {{- with .subPath }}
  subPath: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- if .Values.profiles.publicKey }}
- {name: profile-key, mountPath: /etc/langsteer/profile-key, readOnly: true}
{{- end }}
{{- if .Values.tls.existingSecret }}
- {name: tls, mountPath: /etc/langsteer/tls, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "langsteer.volumes" -}}
- name: cache
{{- if eq "claim" .Values.cache.kind }}
  persistentVolumeClaim: {claimName: {{ include "langsteer.cacheClaim" . | quote }}}
{{- else }}
  emptyDir: {sizeLimit: {{ .Values.cache.size | quote }}}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 2Gi}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ .Values.shm.size | quote }}}
{{- if eq "volume" .Values.profiles.source }}
- name: profiles
  persistentVolumeClaim: {claimName: {{ .Values.profiles.volume.existingClaim | quote }}, readOnly: true}
{{- else if eq "pull" .Values.profiles.source }}
- name: profiles
  emptyDir: {sizeLimit: 2Gi}
{{- end }}
{{- with .Values.model.volume.existingClaim }}
- name: model
  persistentVolumeClaim: {claimName: {{ . | quote }}, readOnly: true}
{{- end }}
{{- if include "langsteer.policy" . }}
- name: policy
{{- if .Values.policy.existingSecret }}
  secret:
    secretName: {{ .Values.policy.existingSecret | quote }}
    defaultMode: 288 # 0440
{{- else }}
  configMap:
    name: {{ default (printf "%s-policy" (include "langsteer.fullname" .)) .Values.policy.existingConfigMap | quote }}
{{- end }}
    items: [{key: {{ .Values.policy.key | quote }}, path: policy.yaml}]
{{- end }}
{{- if include "langsteer.access" . }}
- name: access
  secret:
    secretName: {{ default (printf "%s-access" (include "langsteer.fullname" .)) .Values.access.existingSecret | quote }}
    defaultMode: 288
    items: [{key: {{ .Values.access.key | quote }}, path: access.yaml}]
{{- end }}
{{- if .Values.profiles.publicKey }}
- name: profile-key
  configMap: {name: {{ include "langsteer.fullname" . }}-profile-key}
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ . | quote }}, defaultMode: 288}
{{- end }}
{{- if .Values.reload.enabled }}
- name: scripts
  configMap: {name: {{ include "langsteer.fullname" . }}-scripts}
{{- if .Values.operatorKey.existingSecret }}
- name: operator-key
  secret:
    secretName: {{ .Values.operatorKey.existingSecret | quote }}
    defaultMode: 288
    items: [{key: {{ .Values.operatorKey.key | quote }}, path: key}]
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* GPUs go into requests and limits alike: they cannot be overcommitted. */}}
{{- define "langsteer.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- $gpus := int (include "langsteer.gpus" .) -}}
{{- if $gpus -}}
{{- range tuple "limits" "requests" -}}
{{- $_ := set $resources . (merge (dict $.Values.gpu.resource $gpus) (default dict (get $resources .))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
