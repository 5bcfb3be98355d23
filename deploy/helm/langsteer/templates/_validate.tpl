{{/*
What values.schema.json cannot say, or cannot say plainly: everything that is wrong, at once, and what to do.
*/}}
{{- define "langsteer.validate" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if not $v.image.repository -}}
{{- $wrong = append $wrong "image.repository is empty: build deploy/container, push it to your registry, and name it here" -}}
{{- end -}}
{{- if not $v.model.name -}}
{{- $wrong = append $wrong "model.name is empty: a hub id, or a folder in the pod such as /models/Qwen3-8B" -}}
{{- end -}}
{{- if and (hasPrefix (printf "%s/" $v.model.volume.mountPath) (printf "%s/" $v.model.name)) (not $v.model.volume.existingClaim) (not $v.extraVolumeMounts) -}}
{{- $wrong = append $wrong (printf "model.name is %s and nothing is mounted there: set model.volume.existingClaim" $v.model.name) -}}
{{- end -}}
{{- if and (eq "volume" $v.profiles.source) (not $v.profiles.volume.existingClaim) -}}
{{- $wrong = append $wrong "profiles.source is volume: set profiles.volume.existingClaim, or profiles.source to pull or image" -}}
{{- end -}}
{{- if and (eq "pull" $v.profiles.source) (not $v.profiles.pull.sources) -}}
{{- $wrong = append $wrong "profiles.source is pull: set profiles.pull.sources, e.g. [\"hf://owner/repo@v3\"]" -}}
{{- end -}}
{{- if and (include "langsteer.hubModel" .) $v.model.name $v.model.offline (eq "emptyDir" $v.cache.kind) -}}
{{- $wrong = append $wrong (printf "model.offline, and %s is neither a folder nor in a cache that lasts: mount it with model.volume, or set cache.kind to claim" $v.model.name) -}}
{{- end -}}
{{- if lt 1 (len (compact (list $v.policy.content $v.policy.existingConfigMap $v.policy.existingSecret))) -}}
{{- $wrong = append $wrong "policy has more than one of content, existingConfigMap and existingSecret: keep one" -}}
{{- end -}}
{{- if and $v.access.content $v.access.existingSecret -}}
{{- $wrong = append $wrong "access has both content and existingSecret: keep one" -}}
{{- end -}}
{{- $keyed := regexMatch "(?m)^keys:" $v.access.content -}}
{{- if and $keyed $v.apiKey.existingSecret -}}
{{- $wrong = append $wrong "access.content has keys, and apiKey.existingSecret is set: a request would need one of each; put the key's hash into the file (langsteer access hash-key)" -}}
{{- end -}}
{{- if $v.reload.enabled -}}
{{- if not (or (include "langsteer.policy" .) (include "langsteer.access" .) (eq "volume" $v.profiles.source)) -}}
{{- $wrong = append $wrong "reload.enabled, and there is nothing to reload: no policy, no access file, no volume of profiles" -}}
{{- end -}}
{{- if and (or $keyed $v.apiKey.existingSecret) (not $v.operatorKey.existingSecret) -}}
{{- $wrong = append $wrong "reload.enabled, and the server wants a key: set operatorKey.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if and (eq "gpu" $v.device) (lt (int (include "langsteer.gpus" .)) (int $v.tensorParallelSize)) -}}
{{- $wrong = append $wrong (printf "gpu.count is %d, fewer than tensorParallelSize, %d: leave it 0" (int $v.gpu.count) (int $v.tensorParallelSize)) -}}
{{- end -}}
{{- if and (eq "0" (trimSuffix "%" (toString $v.strategy.maxSurge))) (eq "0" (trimSuffix "%" (toString $v.strategy.maxUnavailable))) -}}
{{- $wrong = append $wrong "strategy: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced" -}}
{{- end -}}
{{- if $v.autoscaling.enabled -}}
{{- if lt (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas) -}}
{{- $wrong = append $wrong (printf "autoscaling.maxReplicas is %d, less than minReplicas, %d" (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas)) -}}
{{- end -}}
{{- if and (eq "keda" $v.autoscaling.kind) (not $v.autoscaling.prometheus.serverAddress) -}}
{{- $wrong = append $wrong "autoscaling.kind is keda: set autoscaling.prometheus.serverAddress, or kind to hpa" -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- $wrong = append $wrong "ingress.enabled: set ingress.hosts" -}}
{{- end -}}
{{- $settings := dict
  "--profiles" "profiles" "--policy" "policy" "--access" "access" "--profile-key" "profiles.publicKey" "--shutdown-timeout" "drain.requestsSeconds"
  "--host" "nothing, pods listen on all addresses" "--port" "service.port" "--api-key" "apiKey.existingSecret"
  "--tensor-parallel-size" "tensorParallelSize" "-tp" "tensorParallelSize" "--ssl-certfile" "tls.existingSecret"
  "--ssl-keyfile" "tls.existingSecret" "--served-model-name" "model.servedNames" "--max-strength" "serve.maxStrength"
  "--column-headroom" "serve.columnHeadroom" "--memory-headroom" "serve.memoryHeadroom" "--monitor" "serve.monitor"
  "--model-aliases" "serve.modelAliases" "--playground" "serve.playground" "--no-playground" "serve.playground"
-}}
{{- range $v.serve.extraArgs -}}
{{- $option := regexReplaceAll "_" (first (splitList "=" .)) "-" -}}
{{- if hasKey $settings $option -}}
{{- $wrong = append $wrong (printf "serve.extraArgs has %s: set %s instead" $option (get $settings $option)) -}}
{{- end -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- if and (has .name (list "HF_TOKEN" "VLLM_API_KEY")) (hasKey . "value") -}}
{{- $wrong = append $wrong (printf "extraEnv has %s as plain text: keep it in a Secret and set %s" .name (ternary "model.token.existingSecret" "apiKey.existingSecret" (eq .name "HF_TOKEN"))) -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nthese values cannot be installed:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}
