/** `/v2/logging`, in the order of the wire. */
export interface LogSettings {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: "default" | "ISO8601";
}

/** Fields that a call sets; the text of `log_format` is checked by the core: INVALID_ARG `invalid argument for log_format, got: <v>`. */
export interface LogSettingsUpdate {
  readonly log_info?: boolean;
  readonly log_warning?: boolean;
  readonly log_error?: boolean;
  readonly log_verbose_level?: number;
  readonly log_format?: string;
}
