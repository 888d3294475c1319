"""nginx as a cache in front of bare Flask, following its guide to content caching."""

import grp
import os
import pwd
from pathlib import Path

CONFIGURATION = """
daemon off;
user {user} {group};
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/client;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache levels=1:2 keys_zone=movies:10m inactive=60m use_temp_path=off;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_cache movies;
      proxy_cache_valid 200 30s;
      proxy_cache_lock on;
      proxy_cache_background_update on;
      proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
      proxy_pass {origin};
      add_header X-Cache-Status $upstream_cache_status;
    }}
  }}
}}
"""


def write_configuration(folder: Path, port: int, origin: str) -> Path:
    """Write a configuration that listens on a port and caches an origin; return its path."""
    file = folder / "nginx.conf"
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    text = CONFIGURATION.format(folder=folder, port=port, origin=origin, user=user, group=group)
    file.write_text(text)
    return file
