/** The configuration of docker-compose.yml: one tenant without tools, under the default pack of policies. Begin here. */
import { defineConfig } from 'corral/config';

export default defineConfig({
  tenants: { local: {} },
  policies: 'default',
});
